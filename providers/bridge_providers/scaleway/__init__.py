"""Read and write secrets in Scaleway Secret Manager, using a few HTTP calls and the vendor's own settings."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bridge.named_tuple import NamedTuple
from bridge.provider import Context, OptionError, Problem, ProviderError
from bridge_providers.scaleway import paths

if TYPE_CHECKING:
    from bridge_providers.scaleway.session import ScalewaySession

__all__ = ["Scaleway"]


class _Section(NamedTuple):
    """The fields of the section; see Scaleway. It is no dataclass, whose module would take long to import."""

    region: str | None = None
    project_id: str | None = None
    profile: str | None = None


class Scaleway(_Section):
    """The secrets of one project in one region, and all secrets of that region by ID.

    Each field defaults to its environment variable (SCW_DEFAULT_REGION, SCW_DEFAULT_PROJECT_ID, SCW_PROFILE) or to the
    profile. `profile` names a profile in the vendor's configuration file. The secret key is not a field: it comes from
    SCW_SECRET_KEY or from the profile.
    """

    concurrency: ClassVar[int] = 8
    wants_known: ClassVar[bool] = True

    def __init__(self, *_values: object, **_fields: object) -> None:
        for name in ("region", "project_id", "profile"):
            value: object = getattr(self, name)  # a section of a file may hold anything
            if value is not None and not (isinstance(value, str) and value and value.isprintable()):
                raise OptionError(name, "must be a string")
        if self.region is not None and not paths.is_region(self.region):
            zone = re.fullmatch(r"([a-z]{2}-[a-z]{3})-\d", self.region)
            raise OptionError("region", paths.NO_REGION, hint=f"did you mean {zone[1]}?" if zone else "")
        if self.project_id is not None and not paths.is_uuid(self.project_id):
            raise OptionError("project_id", "is not a project ID (a UUID)")

    def open(self, context: Context) -> "ScalewaySession":
        """Start a session without reading files or sending requests yet."""
        from bridge_providers.scaleway.session import ScalewaySession  # noqa: PLC0415 - `bridge check` does not need it

        return ScalewaySession(self, context)

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the API's address if it differs from the vendor's."""
        from bridge_providers.scaleway import profile, settings  # noqa: PLC0415 - `bridge check` does not need it

        url = settings.url_of(context.environ, profile.load(context.environ, self.profile))
        if url != settings.API:
            yield url

    def location(self, path: str, context: Context) -> Mapping[str, str]:
        """Return the API, the region, the project and the secret's folder and name, or its ID."""
        from bridge_providers.scaleway import profile, settings  # noqa: PLC0415 - most commands do not need it

        scope, place = paths.parse(path)
        loaded = profile.load(context.environ, self.profile)
        region, project = settings.scope_of(self, scope, context.environ, loaded)
        parts = {"address": settings.url_of(context.environ, loaded), "region": region, "project": project or ""}
        parts |= {"path": f"{place.folder.rstrip('/')}/{place.name}"} if place.name else {"id": place.id}
        return {name: text for name, text in parts.items() if text}

    def credential_places(self, context: Context) -> Iterable[tuple[str, Path | None]]:
        """Yield the variables and the file that may have the secret key, in order, for `bridge doctor`."""
        from bridge_providers.scaleway import profile  # noqa: PLC0415 - most commands do not need it

        yield "SCW_SECRET_KEY", None
        if file := profile.file_of(context.environ):
            yield str(file), file

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield the problems of a path, and what the trust file refuses."""
        from bridge import trust  # noqa: PLC0415 - `--version` does not need it

        try:
            paths.parse(path)
            if trust.find(context.environ):  # without a trust file, the profile need not be loaded
                from bridge_providers.scaleway import profile, settings  # noqa: PLC0415 - as above

                yield from filter(
                    None, [settings.untrusted(context.environ, profile.load(context.environ, self.profile))]
                )
        except ProviderError as error:
            yield from error.problems

    def names(self, path: str, context: Context) -> frozenset[str] | None:  # noqa: ARG002 - the contract's signature
        """Return None: only the store knows."""
        return None
