"""Reads and writes secrets and parameters during one run, with one client for each service and region."""

import threading
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Document, Revision
from bridge_providers.aws import parameters, secrets
from bridge_providers.aws.client import Service
from bridge_providers.aws.paths import Place, parse

if TYPE_CHECKING:
    from bridge_providers.aws import Aws


class AwsSession:
    """Reads and writes from any number of threads. AWS's configuration is loaded once, on first use."""

    def __init__(self, options: "Aws", context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._services: Final[dict[tuple[str, str | None], Service]] = {}

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return the fields of a JSON object or of a folder of parameters, else one value."""
        place = parse(path)
        read = parameters.read if place.service == "ssm" else secrets.read
        return read(self._service(place), place.name, revision)

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Replace a document; see `bridge.provider.Writer`."""
        place = parse(path)
        write = parameters.write if place.service == "ssm" else secrets.write
        return write(self._service(place), place.name, document, expect)

    def close(self) -> None:
        """Close the connections."""
        for service in list(self._services.values()):
            service.close()

    def _service(self, place: Place) -> Service:
        region = place.region or self._options.region
        with self._lock:
            key = (place.service, region)
            if key not in self._services:
                self._services[key] = Service(place.service, region, self._options.profile, self._context)
            return self._services[key]
