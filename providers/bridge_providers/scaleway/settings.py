"""What a session goes by: the section's fields, then SCW_… of the environment, then the profile."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from bridge.http.proxies import is_loopback, proxy_from
from bridge.provider import Context, Denied, Problem, ProviderError, SecretValue
from bridge_providers.scaleway import paths
from bridge_providers.scaleway.profile import Profile, load

if TYPE_CHECKING:
    from bridge_providers.scaleway import Scaleway

API: Final = "https://api.scaleway.com"
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # as Go's strconv.ParseBool, which scw uses
_URL_HINT: Final = "write it as https://api.scaleway.com; plain http is for loopback addresses only"


class Settings(NamedTuple):
    """Where the API is and who we are. `key_place` says where the secret key comes from."""

    url: str
    region: str
    project_id: str | None
    secret_key: SecretValue
    key_place: str
    proxy: SecretValue | None


def settings(options: "Scaleway", context: Context) -> Settings:
    """Put section, environment and profile together; Denied without a key, ProviderError for what cannot be right."""
    environ = context.environ
    profile = load(environ, options.profile)
    if profile.insecure or environ.get("SCW_INSECURE") in _TRUE:
        where = f"insecure in {profile.place}" if profile.insecure else "SCW_INSECURE"
        raise ProviderError(f"{where} is set, and bridge never skips the check of a certificate")
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
    """Return the URL of the environment's proxy, which may hold a password."""
    found = proxy_from(environ, url)
    if found is None:
        return None
    if found.wrong:
        raise ProviderError(f"{found.variable} is {found.wrong}", hint="write it as http://host:3128")
    return SecretValue.of(found.url)


def _given(environ: Mapping[str, str], variable: str, profile: Profile, name: str) -> tuple[str | None, str]:
    """Return a text of the environment or the profile, and where it stands."""
    if text := environ.get(variable):
        return text, variable
    return profile.texts.get(name), f"{name} in {profile.place}"


def url_of(environ: Mapping[str, str], profile: Profile) -> str:
    """Return the API's address: the environment's, else the profile's, else the vendor's; ProviderError if unusable."""
    text, place = _given(environ, "SCW_API_URL", profile, "api_url")
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
        raise ProviderError(f"{place} is plain http, and the key would travel in clear", hint=_URL_HINT)
    return text.rstrip("/")


def untrusted(environ: Mapping[str, str], profile: Profile) -> Problem | None:
    """Return why the trust file lets the API not have the secret key, or None if it may have it."""
    from bridge.trust import refused_store  # noqa: PLC0415 - `bridge check` mostly does without

    text, place = _given(environ, "SCW_API_URL", profile, "api_url")
    key = "SCW_SECRET_KEY" if environ.get("SCW_SECRET_KEY") else profile.place.partition(", profile ")[0]
    return refused_store(environ, url_of(environ, profile), "scaleway", place if text else "bridge", (key,))


def _key(environ: Mapping[str, str], profile: Profile) -> tuple[SecretValue, str]:
    text = environ.get("SCW_SECRET_KEY")
    key, place = (SecretValue.of(text), "SCW_SECRET_KEY") if text else (profile.secret_key, profile.place)
    if key is None:
        hint = f"set SCW_SECRET_KEY, or run `scw init`; looked in {profile.place}"
        raise Denied("no secret key is known", hint=hint)
    # http.client would quote a header that it cannot send.
    if not (key.is_text() and paths.is_uuid(key.reveal().decode())):
        raise Denied(f"the secret key of {place} is not one: it has to be a UUID")
    return key, place


def region_of(option: str | None, field: str, environ: Mapping[str, str], profile: Profile) -> str:
    """Return the region of the section's field of that name, else of the environment or the profile."""
    text, place = _given(environ, "SCW_DEFAULT_REGION", profile, "default_region")
    if option is not None:
        return option
    if text is None:
        raise ProviderError("no region is known", hint=f"set {field} in the provider's section, or SCW_DEFAULT_REGION")
    if not paths.is_region(text):
        raise ProviderError(f"{place} {paths.NO_REGION}")
    return text


def _project(options: "Scaleway", environ: Mapping[str, str], profile: Profile) -> str | None:
    text, place = _given(environ, "SCW_DEFAULT_PROJECT_ID", profile, "default_project_id")
    if options.project_id is None and text is not None and not paths.is_uuid(text):
        raise ProviderError(f"{place} is not a project's id (a UUID)")
    return options.project_id or text
