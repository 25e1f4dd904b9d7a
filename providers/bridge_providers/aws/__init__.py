"""Read and write secrets in AWS Secrets Manager and Parameter Store, through boto3 and AWS's own settings."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bridge.named_tuple import NamedTuple
from bridge.provider import Context, OptionError, Problem, ProviderError
from bridge_providers.aws import paths

if TYPE_CHECKING:
    from bridge_providers.aws.session import AwsSession

__all__ = ["Aws"]


class _Section(NamedTuple):
    """The fields of the section; see Aws. It is no dataclass, whose module would take long to import."""

    region: str | None = None
    profile: str | None = None


class Aws(_Section):
    """The secrets and parameters of one region, with the credentials that AWS's own programs would use.

    Each field defaults to what AWS's programs use: AWS_REGION or AWS_DEFAULT_REGION, and AWS_PROFILE. The role comes
    from the profile, or from the pod's identity. The endpoint is AWS's, or the one in AWS_ENDPOINT_URL_SECRETS_MANAGER,
    AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL or the profile; it is not a field, because a branch could redirect the keys.
    """

    concurrency: ClassVar[int] = 8

    def __init__(self, *_values: object, **_fields: object) -> None:
        for name in ("region", "profile"):
            value: object = getattr(self, name)  # a section of a file may hold anything
            if value is not None and not (isinstance(value, str) and value and value.isprintable()):
                raise OptionError(name, "must be a string")
        if self.region is not None and not paths.REGION.fullmatch(self.region):
            raise OptionError("region", "is not a region such as eu-west-3")

    def open(self, context: Context) -> "AwsSession":
        """Start a session without reading files or sending requests yet."""
        from bridge_providers.aws.session import AwsSession  # noqa: PLC0415 - `bridge check` does not need it

        return AwsSession(self, context)

    def preload(self) -> None:
        """Import boto3, which takes half a second."""
        import bridge_providers.aws.session  # noqa: F401, PLC0415 - as above

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the endpoints in AWS's variables; a profile's is in the error of a request only."""
        for name in paths.ENDPOINTS:
            if url := context.environ.get(name):
                yield url

    def location(self, path: str, context: Context) -> Mapping[str, str]:
        """Return the service, the region and the name or ARN; the account is that of the credentials."""
        from bridge_providers.aws.client import region_of  # noqa: PLC0415 - boto3 takes half a second

        place = paths.parse(path)
        region = place.region or self.region or region_of(self.profile, context.environ)
        return {"service": place.service, **({"region": region} if region else {}), "path": place.name}

    def credential_places(self, context: Context) -> Iterable[tuple[str, Path | None]]:
        """Yield the variables and files that may have the keys, in order, for `bridge doctor`."""
        if not self.profile:
            yield "AWS_ACCESS_KEY_ID", None
        home = Path(context.environ.get("HOME", "/"))
        for name, default in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
            file = Path(context.environ.get(name) or home / ".aws" / default)
            yield str(file), file
        yield "AWS_WEB_IDENTITY_TOKEN_FILE", None
        yield "AWS_CONTAINER_CREDENTIALS_FULL_URI", None

    def check(self, path: str, context: Context) -> Iterable[Problem]:  # noqa: ARG002 - the contract's signature
        """Yield the problems of a path."""
        try:
            paths.parse(path)
        except ProviderError as error:
            yield from error.problems

    def names(self, path: str, context: Context) -> frozenset[str] | None:  # noqa: ARG002 - as above
        """Return None: only the store knows."""
        return None
