"""Where region, project, key and URL come from, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Context, Denied, OptionError, Problem, ProviderError
from bridge_providers.scaleway import Scaleway
from bridge_providers.scaleway.settings import Settings, settings

KEY = "CA9A4700-0000-4000-8000-000000000001"
OTHER = "ca9a4700-0000-4000-8000-000000000002"
PROJECT = "22222222-0000-4000-8000-000000000000"
PROJECT_2 = "22222222-0000-4000-8000-000000000002"
ENVIRON = {"SCW_SECRET_KEY": KEY, "SCW_DEFAULT_REGION": "fr-par", "SCW_DEFAULT_PROJECT_ID": PROJECT}
FILE = f"""\
# written by scw init
access_key: SCW11111111111111111
secret_key: {OTHER}
default_organization_id: 11111111-0000-4000-8000-000000000000
default_project_id: {PROJECT_2}
default_region: pl-waw
default_zone: pl-waw-1
api_url: https://api.example.com
send_telemetry: true
profiles:
  dutch:
    default_region: nl-ams
    secret_key: ~
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config/scw").mkdir(parents=True)
    (tmp_path / ".config/scw/config.yaml").write_text(FILE)
    return tmp_path


def found(environ: dict[str, str], **options: Any) -> Settings:
    return settings(Scaleway(**options), Context(Path("/nowhere"), environ, 0))


def failure(environ: dict[str, str], **options: Any) -> tuple[type, str, str]:
    with pytest.raises(ProviderError) as caught:
        found(environ, **options)
    error = caught.value
    shown = "".join(map(repr, (error, error.__context__, error.__cause__)))
    assert not [one for one in (KEY, OTHER, "CANARY") if one in shown]
    return type(error), error.problems[0].what, error.problems[0].hint


def shown(given: Settings) -> tuple[str, str, str | None, str, str]:
    key = given.secret_key.reveal().decode()
    assert key not in repr(given)
    return given.url, given.region, given.project_id, key, given.key_place


def test_environment_alone_is_enough() -> None:
    assert shown(found(ENVIRON)) == ("https://api.scaleway.com", "fr-par", PROJECT, KEY, "SCW_SECRET_KEY")


def test_profile_fills_what_environment_does_not_say(home: Path) -> None:
    file = home / ".config/scw/config.yaml"
    assert shown(found({"HOME": str(home)})) == ("https://api.example.com", "pl-waw", PROJECT_2, OTHER, str(file))
    environ = {"HOME": str(home), "SCW_SECRET_KEY": KEY, "SCW_API_URL": "http://127.0.0.1:9/x/"}
    assert shown(found(environ)) == ("http://127.0.0.1:9/x", "pl-waw", PROJECT_2, KEY, "SCW_SECRET_KEY")


def test_section_overrides_environment_and_environment_overrides_profile(home: Path) -> None:
    environ = ENVIRON | {"HOME": str(home)}
    assert found(environ).region == "fr-par"
    given = found(environ, region="nl-ams", project_id=PROJECT_2)
    assert (given.region, given.project_id) == ("nl-ams", PROJECT_2)


def test_named_profile_overrides_default(home: Path) -> None:
    given = found({"HOME": str(home), "SCW_PROFILE": "dutch"})
    assert shown(given)[1:4] == ("nl-ams", PROJECT_2, OTHER)
    assert given.key_place == f"{home}/.config/scw/config.yaml, profile dutch"
    assert found({"HOME": str(home)}, profile="dutch").region == "nl-ams"
    assert found({"HOME": str(home), "SCW_PROFILE": "absent"}, profile="dutch").region == "nl-ams"
    assert found({"HOME": str(home), "SCW_PROFILE": "default"}).region == "pl-waw"


def test_file_may_choose_profile(home: Path) -> None:
    file = home / ".config/scw/config.yaml"
    file.write_text(f"active_profile: dutch\n{FILE}")
    assert found({"HOME": str(home)}).region == "nl-ams"
    assert found({"HOME": str(home), "SCW_PROFILE": "default"}).region == "pl-waw"


def test_where_file_is(home: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.yaml"
    moved.write_text(FILE.replace("pl-waw", "nl-ams"))
    assert found({"HOME": str(home), "SCW_CONFIG_PATH": str(moved)}).region == "nl-ams"
    (tmp_path / "xdg/scw").mkdir(parents=True)
    moved.rename(tmp_path / "xdg/scw/config.yaml")
    assert found({"HOME": str(home), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}).region == "nl-ams"


def test_no_key_anywhere(home: Path) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != "SCW_SECRET_KEY"}
    assert failure(environ) == (
        Denied,
        "no secret key found",
        "set SCW_SECRET_KEY, or run `scw init`; looked in no configuration file",
    )
    file = home / ".config/scw/config.yaml"
    file.unlink()
    assert failure(environ | {"HOME": str(home)})[2].endswith(f"looked in {file} (missing)")


@pytest.mark.parametrize("key", ["CANARY", "CANARY\nX-Header: 1", f"{KEY}\n", f" {KEY}", "SCW11111111111111111", "é"])
def test_invalid_key_is_neither_sent_nor_shown(home: Path, key: str) -> None:
    what = "the secret key from SCW_SECRET_KEY is not a UUID"
    assert failure(ENVIRON | {"SCW_SECRET_KEY": key}) == (Denied, what, "")
    file = home / ".config/scw/config.yaml"
    file.write_text(FILE.replace(OTHER, "CANARY"))
    assert failure({"HOME": str(home)})[1] == f"the secret key from {file} is not a UUID"


def test_no_region() -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != "SCW_DEFAULT_REGION"}
    assert failure(environ) == (
        ProviderError,
        "no region is configured",
        "set SCW_DEFAULT_REGION or the section's region",
    )


@pytest.mark.parametrize("region", ["par1", "fr-par-1", "fr-par/../x", "FR-PAR", "CANARY"])
def test_invalid_region_is_refused(region: str) -> None:
    what = "SCW_DEFAULT_REGION is not a region such as fr-par"
    assert failure(ENVIRON | {"SCW_DEFAULT_REGION": region}) == (ProviderError, what, "")


def test_invalid_project_is_refused() -> None:
    what = "SCW_DEFAULT_PROJECT_ID is not a project ID (a UUID)"
    assert failure(ENVIRON | {"SCW_DEFAULT_PROJECT_ID": "CANARY"}) == (ProviderError, what, "")


@pytest.mark.parametrize(
    "url",
    [
        "api.scaleway.com",
        "ftp://api.scaleway.com",
        "https://CANARY@api.scaleway.com",
        "https://",
        "https://host:99999",
        "https://host:0",
        "https://host/?CANARY",
        "https://host/#CANARY",
        "https://host/a b",
        "https://é.example.com",
    ],
)
def test_invalid_url_is_refused(url: str) -> None:
    hint = "write it as https://api.scaleway.com; plain http works only for loopback addresses"
    assert failure(ENVIRON | {"SCW_API_URL": url}) == (ProviderError, "SCW_API_URL is not the URL of an API", hint)


@pytest.mark.parametrize("host", ["api.scaleway.com", "10.0.0.1", "localhost.example.com"])
def test_key_does_not_travel_unencrypted(host: str) -> None:
    what = "SCW_API_URL is plain http: the key would travel unencrypted"
    assert failure(ENVIRON | {"SCW_API_URL": f"http://{host}"})[1] == what


@pytest.mark.parametrize("value", ["true", "1", "T"])
def test_check_of_certificates_is_not_skipped(home: Path, value: str) -> None:
    rest = "is set, but bridge always verifies certificates"
    assert failure(ENVIRON | {"SCW_INSECURE": value})[1] == f"SCW_INSECURE {rest}"
    file = home / ".config/scw/config.yaml"
    file.write_text(f"{FILE}insecure: true\n")
    assert failure({"HOME": str(home)})[1] == f"insecure in {file} {rest}"


@pytest.mark.parametrize("text", ["2024-02-30", "0000-00-00", "=", "0o8", "1_000"])
def test_text_that_looks_like_date_or_number_leaves_file_readable(home: Path, text: str) -> None:
    file = home / ".config/scw/config.yaml"
    file.write_text(f"{FILE}  {text}:\n    default_region: {text}\n    api_url: https://api2.example.com\n")
    given = found({"HOME": str(home), "SCW_DEFAULT_REGION": "fr-par"}, profile=text)
    assert given.url == "https://api2.example.com"


def test_missing_profile_is_error(home: Path) -> None:
    file = home / ".config/scw/config.yaml"
    assert failure(ENVIRON | {"HOME": str(home)}, profile="french")[1] == f"{file} has no profile french"
    file.unlink()
    what = f"profile french not found: {file} does not exist"
    assert failure(ENVIRON | {"HOME": str(home), "SCW_PROFILE": "french"})[1] == what


@pytest.mark.parametrize(
    "text", ["secret_key: CANARY: x", "- CANARY", "CANARY", "a: !!CANARY x", "a: *CANARY", "\x00CANARY", "x" * 2**20]
)
def test_invalid_file_is_not_quoted(home: Path, text: str) -> None:
    file = home / ".config/scw/config.yaml"
    file.write_text(text + " ")
    assert failure({"HOME": str(home)})[:2] == (ProviderError, f"{file} is not an scw configuration file")


def test_file_that_cannot_be_read(home: Path) -> None:
    assert failure({"SCW_CONFIG_PATH": f"{home}/absent"})[:2] == (
        Denied,
        f"SCW_CONFIG_PATH {home}/absent: no such file",
    )
    assert failure({"SCW_CONFIG_PATH": str(home)})[:2] == (Denied, f"{home} cannot be read: is a directory")


def test_empty_file_is_ignored(home: Path) -> None:
    (home / ".config/scw/config.yaml").write_text("# nothing\n")
    assert found(ENVIRON | {"HOME": str(home)}).url == "https://api.scaleway.com"


@pytest.mark.parametrize(
    ("options", "field", "what", "hint"),
    [
        ({"region": "fr-par-1"}, "region", "is not a region such as fr-par", "did you mean fr-par?"),
        ({"region": "paris"}, "region", "is not a region such as fr-par", ""),
        ({"region": 3}, "region", "must be a string", ""),
        ({"region": ""}, "region", "must be a string", ""),
        ({"project_id": "voice"}, "project_id", "is not a project ID (a UUID)", ""),
        ({"profile": ["x"]}, "profile", "must be a string", ""),
    ],
)
def test_section_is_checked_when_it_is_built(options: dict[str, Any], field: str, what: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        Scaleway(**options)
    assert (caught.value.field, caught.value.what, caught.value.hint) == (field, what, hint)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("voice/app", "the path does not begin with /"),
        ("path:/voice/app", "the prefix of the path is neither a region nor a project ID"),
        ("fr-par:voice/app", "the path does not begin with /"),
        ("fr-par:nl-ams:/app", "the prefix of the path is neither a region nor a project ID"),
        (f"{PROJECT}:fr-par:/app", "the prefix of the path is neither a region nor a project ID"),
        (f"{PROJECT}:{PROJECT}:/app", "the prefix of the path is neither a region nor a project ID"),
        ("fr-par-1:/app", "the prefix of the path is neither a region nor a project ID"),
        ("", "the path does not begin with /"),
        ("/", "the path contains an invalid folder or secret name"),
        ("/voice/", "the path contains an invalid folder or secret name"),
        ("/voice//app", "the path contains an invalid folder or secret name"),
        ("/voice/../app", "the path contains an invalid folder or secret name"),
        (f"/{'x' * 256}", "the path contains an invalid folder or secret name"),
        ("id:voice", "the ID after id: is not a UUID"),
        ("id:", "the ID after id: is not a UUID"),
    ],
)
def test_path_is_checked_without_network(path: str, what: str) -> None:
    problems = list(Scaleway().check(path, Context(Path("/nowhere"), {}, 0)))
    assert problems == [
        Problem(
            "",
            what,
            "write [REGION:][PROJECT:]/FOLDER/NAME or [REGION:][PROJECT:]id:UUID",
        )
    ]


def test_valid_path_has_no_problem_and_unknown_names() -> None:
    context = Context(Path("/nowhere"), {}, 0)
    for path in (
        "/app",
        "/a:b/app",
        f"id:{PROJECT}",
        "fr-par:/app",
        f"{PROJECT}:/app",
        f"nl-ams:{PROJECT}:id:{PROJECT}",
    ):
        assert list(Scaleway().check(path, context)) == []
        assert Scaleway().names(path, context) is None


def test_path_needs_project_and_id_does_not() -> None:
    session = Scaleway(region="fr-par").open(Context(Path("/nowhere"), {"SCW_SECRET_KEY": KEY}, 1e18))
    with pytest.raises(ProviderError) as caught:
        session.read("/voice/app")
    assert caught.value.problems == (
        Problem("", "no project is configured", "set SCW_DEFAULT_PROJECT_ID or the section's project_id"),
    )
