"""Which object storage is meant, and whose keys open it. Nothing is guessed: the section's `s3` says it."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from bridge.http.proxies import is_loopback
from bridge.provider import Denied, OptionError, ProviderError, SecretValue
from bridge_providers.scaleway import paths
from bridge_providers.scaleway.profile import Profile, load
from bridge_providers.scaleway.settings import region_of
from bridge_providers.sops import origin
from bridge_providers.sops.s3_path import NO_STORE, NO_STORE_HINT

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

AWS: Final = "aws"
SCALEWAY: Final = "scaleway"
_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9@-]{3,128}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_HTTPS: Final = "write it as https://host; plain http is for loopback addresses only"


class Keys(NamedTuple):
    """A key pair, and where it comes from."""

    access: str
    secret: SecretValue
    place: str

    def __repr__(self) -> str:
        return f"Keys({self.place})"


class Store(NamedTuple):
    """A store. `keys` are None, and `endpoint` and `region` may be, where AWS's own configuration says them."""

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    keys: Keys | None = None


def check(options: "Sops") -> None:
    """Check the section's fields; OptionError."""
    for name in ("s3", "s3_region", "s3_profile"):
        value: object = getattr(options, name)  # a section of a file may hold anything
        if value is not None and not (isinstance(value, str) and value and value.isprintable()):
            raise OptionError(name, "must be a text")
    if options.s3 not in {None, AWS, SCALEWAY} and (wrong := unusable(options.s3 or "")):
        raise OptionError("s3", f"is neither scaleway nor aws, and {wrong}", hint=_HTTPS)
    if options.s3_region is not None and not _NAME.fullmatch(options.s3_region):
        raise OptionError("s3_region", "is not a region such as fr-par or eu-west-3")


def unusable(url: str) -> str | None:
    """Say why a URL cannot be an endpoint, without any part of it; None where it can."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and "@" not in url
    except ValueError:
        usable = False
    if not usable or not (url.isascii() and url.isprintable()) or parts.query or parts.fragment or " " in url:
        return "not the URL of a store"
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "plain http, in which the document would travel unprotected"
    return None


def find(options: "Sops", environ: Mapping[str, str]) -> Store:
    """Put section, environment and profile together; Denied without keys, ProviderError for what cannot be right."""
    if options.s3 is None:
        raise ProviderError(NO_STORE, hint=NO_STORE_HINT)
    if options.s3 == AWS:
        return Store(None, options.s3_region, options.s3_profile)
    if options.s3 != SCALEWAY:
        origin.check_endpoint("s3", options.s3, "S3", environ)
        return Store(options.s3, options.s3_region, options.s3_profile)
    profile = load(environ, options.s3_profile)
    region = region_of(options.s3_region, "s3_region", environ, profile)
    return Store(_endpoint(environ, region), region, None, _keys(environ, profile))


def _endpoint(environ: Mapping[str, str], region: str) -> str:
    """Return Scaleway's endpoint (https://www.scaleway.com/en/docs/object-storage/concepts/), or SCW_S3_ENDPOINT."""
    given = environ.get("SCW_S3_ENDPOINT")
    if given and (wrong := unusable(given)):
        raise ProviderError(f"SCW_S3_ENDPOINT is {wrong}", hint=_HTTPS)
    return given or f"https://s3.{region}.scw.cloud"


def _keys(environ: Mapping[str, str], profile: Profile) -> Keys:
    """Return both keys from one place: halves of two pairs would be a signature that nobody can explain."""
    names = ("SCW_ACCESS_KEY", "SCW_SECRET_KEY")
    given = [environ.get(name) for name in names]
    if any(given):
        place, (access, secret) = " and ".join(names), given
        for name, value in zip(names, given, strict=True):
            if not value:
                raise Denied(f"{name} is not set, and Object Storage needs it beside the other key")
    else:
        key = profile.secret_key
        place, access = profile.place, profile.texts.get("access_key")
        secret = None if key is None else key.reveal().decode(errors="replace")
    if not access or not secret:
        hint = f"set SCW_ACCESS_KEY and SCW_SECRET_KEY, or run `scw init`; looked in {profile.place}"
        raise Denied("no access key and secret key are known", hint=hint)
    # botocore would quote a header that it cannot send.
    if not (_ACCESS_KEY.fullmatch(access) and paths.is_uuid(secret)):
        raise Denied(f"the keys of {place} do not have the form of an access key and a secret key")
    return Keys(access, SecretValue.of(secret), place)
