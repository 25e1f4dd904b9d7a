"""The trust file's format, and who may be able to change it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.trust_file import TrustedStore, load_trust_file, writable_by_others
from bridge.errors import ConfigError

SOUND = """\
stores:
  - {address: "https://vault.internal:8200", credentials: [kubernetes, VAULT_TOKEN, ~/.vault-token]}
  - {address: scaleway, credentials: [scaleway]}
  - {address: "https://values.example", credentials: [acme_bridge]}
servers: ["https://10.0.0.1:6443"]
kubeconfigs: [~/.kube/config]
programs:
  - /usr/bin/gpg
  - [/usr/local/bin/aws, eks, get-token]
packages: [acme_bridge]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trust.yaml"
    path.write_text("")
    path.chmod(0o600)
    return path


def wrong(file: Path, text: str) -> list[tuple[str, str, str]]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_trust_file(file, "/home/me")
    return [(one.where.removeprefix(str(file)).strip(), one.what, one.hint) for one in caught.value.problems]


def test_file_lists_what_is_trusted(file: Path) -> None:
    file.write_text(SOUND)
    found = load_trust_file(file, "/home/me")
    credentials = frozenset({"kubernetes", "VAULT_TOKEN", "/home/me/.vault-token"})
    assert found.stores[0] == TrustedStore("https://vault.internal:8200", credentials)
    assert [one.address for one in found.stores[1:]] == ["scaleway", "https://values.example"]
    assert found.servers == ("https://10.0.0.1:6443",)
    assert found.kubeconfigs == {"/home/me/.kube/config"}
    assert found.programs == (("/usr/bin/gpg",), ("/usr/local/bin/aws", "eks", "get-token"))
    assert found.packages == {"acme_bridge"}


def test_empty_file_lists_nothing(file: Path) -> None:
    found = load_trust_file(file, "")
    assert not any(found[1:])


def test_all_that_is_wrong_is_reported_at_once(file: Path) -> None:
    text = """\
store: []
stores:
  - {address: "https://me:CANARY@vault", credentials: [token]}
  - {adress: "https://vault", credentials: [tokn, CANARY lower]}
  - {address: "https://vault", credentials: [tokn]}
  - {address: "https://vault"}
servers: [10.0.0.1]
kubeconfigs: [config]
programs: [gpg, [], [/bin/sh, 1]]
packages: x
"""
    found = wrong(file, text)
    assert [one[:2] for one in found] == [
        ("", "unknown key store"),
        (
            "stores[0].address",
            "must be aws or scaleway, or a URL such as https://host:8200, without a user or password",
        ),
        ("stores[1]", "unknown key adress"),
        ("stores[1]", "address is missing"),
        ("stores[2].credentials[0]", "unknown credential 'tokn'"),
        ("stores[3]", "credentials is missing"),
        ("servers[0]", "must be a URL such as https://host:8200, without a user or password"),
        ("kubeconfigs[0]", "must be an absolute path, or start with ~/"),
        ("programs[0]", "must be an absolute path, or start with ~/"),
        ("programs[1]", "is empty"),
        ("programs[2][1]", "must be a string"),
        ("packages", "must be a list of names"),
    ]
    assert (found[0][2], found[2][2], found[4][2]) == (
        "did you mean stores?",
        "did you mean address?",
        "did you mean token?",
    )
    assert "CANARY" not in repr(found)


def test_file_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_trust_file(tmp_path / "none.yaml", "")


def group_may_write(path: Path) -> None:
    path.chmod(0o664)


def others_may_write_to_the_folder(path: Path) -> None:
    path.parent.chmod(0o757)


def others_may_write_where_its_link_is(path: Path) -> None:
    folder = path.parent / "open"
    folder.mkdir()
    folder.chmod(0o777)
    path.rename(path.parent / "real.yaml")
    (folder / "link").symlink_to("../real.yaml")
    path.symlink_to("open/link")


FAULTS: dict[str, Callable[[Path], None]] = {
    one.__name__: one for one in (group_may_write, others_may_write_to_the_folder, others_may_write_where_its_link_is)
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_file_that_others_can_change_is_refused(file: Path, fault: Callable[[Path], None]) -> None:
    fault(file)
    ((_, what, hint),) = wrong(file, SOUND)
    assert what.endswith("can be changed by other users")
    assert hint.startswith("chmod go-w /")


def test_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    problem = writable_by_others(file)
    assert problem is not None
    assert problem.what == "belongs to another user"


def test_file_in_sticky_folder_is_taken(file: Path) -> None:
    file.parent.chmod(0o777 | stat.S_ISVTX)
    assert writable_by_others(file) is None


def test_links_that_lead_nowhere_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ConfigError, match="cannot be read: too many symbolic links"):
        load_trust_file(tmp_path / "a", "")
