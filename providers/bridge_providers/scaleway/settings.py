"""Session settings: section fields first, then SCW_* variables, then the profile."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.http.proxies import is_loopback, proxy_from
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Denied, Problem, ProviderError, SecretValue
from bridge_providers.scaleway import paths
from bridge_providers.scaleway.profile import Profile, load

if TYPE_CHECKING:
    from bridge_providers.scaleway import Scaleway

API: Final = "https://api.scaleway.com"
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # as Go's strconv.ParseBool, which scw uses
_URL_HINT: Final = "write it as https://api.scaleway.com; plain http works only for loopback addresses"


class Settings(NamedTuple):
    """The API's address and our credentials. `key_place` names the source of the secret key."""

    url: str
    region: str
    project_id: str | None
    secret_key: SecretValue
    key_place: str
    proxy: SecretValue | None


def settings(options: "Scaleway", context: Context) -> Settings:
    """Combine section, environment and profile; raise Denied without a key, ProviderError for invalid settings."""
    environ = context.environ
    profile = load(environ, options.profile)
    if profile.insecure or environ.get("SCW_INSECURE") in _TRUE:
        where = f"insecure in {profile.place}" if profile.insecure else "SCW_INSECURE"
        raise ProviderError(f"{where} is set, but bridge always verifies certificates")
    url = url_of(environ, profile)
    key, place = _key(environ, profile)
    if problem := untrusted(environ, profile):
        raise Denied(problem.what, hint=problem.hint)
    return Settings(
        url=url,
        region=region_of(options.region, "region", environ, profile),
        project_id=_project(options, environ, profile),
        secret_key=key,
        key_place=place,
        proxy=_proxy(environ, url),
    )


def _proxy(environ: Mapping[str, str], url: str) -> SecretValue | None:
    """Return the URL of the environment's proxy, which may contain a password."""
    proxy = proxy_from(environ, url)
    if proxy is None:
        return None
    if proxy.wrong:
        raise ProviderError(f"{proxy.variable} is {proxy.wrong}", hint="write it as http://host:3128")
    return SecretValue.of(proxy.url)


def _setting(environ: Mapping[str, str], variable: str, profile: Profile, name: str) -> tuple[str | None, str]:
    """Return a setting from the environment or the profile, and its source."""
    if text := environ.get(variable):
        return text, variable
    return profile.texts.get(name), f"{name} in {profile.place}"


def url_of(environ: Mapping[str, str], profile: Profile) -> str:
    """Return the API's address: the environment's, else the profile's, else the vendor's; ProviderError if unusable."""
    text, place = _setting(environ, "SCW_API_URL", profile, "api_url")
    if text is None:
        return API
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and "@" not in text
    except ValueError:
        usable = False
    if not usable or not (text.isascii() and text.isprintable()) or parts.query or parts.fragment or " " in text:
        raise ProviderError(f"{place} is not the URL of an API", hint=_URL_HINT)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ProviderError(f"{place} is plain http: the key would travel unencrypted", hint=_URL_HINT)
    return text.rstrip("/")


def untrusted(environ: Mapping[str, str], profile: Profile) -> Problem | None:
    """Return why the trust file forbids sending the secret key to the API, or None if it allows it."""
    from bridge.trust import refused_store  # noqa: PLC0415 - `bridge check` rarely needs it

    text, place = _setting(environ, "SCW_API_URL", profile, "api_url")
    key = "SCW_SECRET_KEY" if environ.get("SCW_SECRET_KEY") else profile.place.partition(", profile ")[0]
    return refused_store(environ, url_of(environ, profile), "scaleway", place if text else "bridge", (key,))


def _key(environ: Mapping[str, str], profile: Profile) -> tuple[SecretValue, str]:
    text = environ.get("SCW_SECRET_KEY")
    key, place = (SecretValue.of(text), "SCW_SECRET_KEY") if text else (profile.secret_key, profile.place)
    if key is None:
        hint = f"set SCW_SECRET_KEY, or run `scw init`; looked in {profile.place}"
        raise Denied("no secret key found", hint=hint)
    # http.client would quote a header that it cannot send.
    if not (key.is_text() and paths.is_uuid(key.reveal().decode())):
        raise Denied(f"the secret key from {place} is not a UUID")
    return key, place


def region_of(option: str | None, field: str, environ: Mapping[str, str], profile: Profile) -> str:
    """Return the region in the section's field `field`, else from the environment or the profile."""
    text, place = _setting(environ, "SCW_DEFAULT_REGION", profile, "default_region")
    if option is not None:
        return option
    if text is None:
        raise ProviderError("no region is configured", hint=f"set SCW_DEFAULT_REGION or the section's {field}")
    if not paths.is_region(text):
        raise ProviderError(f"{place} {paths.NO_REGION}")
    return text


def scope_of(
    options: "Scaleway", scope: paths.Scope, environ: Mapping[str, str], profile: Profile
) -> tuple[str, str | None]:
    """Return the region and the project of a reference, which may name them itself."""
    region = scope.region or region_of(options.region, "region", environ, profile)
    return region, scope.project_id or _project(options, environ, profile)


def _project(options: "Scaleway", environ: Mapping[str, str], profile: Profile) -> str | None:
    text, place = _setting(environ, "SCW_DEFAULT_PROJECT_ID", profile, "default_project_id")
    if options.project_id is None and text is not None and not paths.is_uuid(text):
        raise ProviderError(f"{place} is not a project ID (a UUID)")
    return options.project_id or text
