"""Programs that the environment's file names: none of the same checkout is started."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.provider import Context, Denied, NotFound
from bridge_providers.sops import Sops
from bridge_providers.sops.age import Age
from bridge_providers.sops.gpg import Gpg
from bridge_providers.sops.kms import Kms
from bridge_providers.sops.origin import check_program, problems
from bridge_providers.sops.s3 import find
from tests.providers.sops.folder import Folder

TOLD = "is in the checkout, so anyone who can push a branch can change it"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """An environment's folder three below the top of a git work tree."""
    base = tmp_path / "checkout" / "deploy" / "config"
    base.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "checkout")], check=True)
    (tmp_path / "outside").write_text("")
    return Context(base, {}, 0)


def link(place: Path, target: Path) -> Path:
    place.symlink_to(target)
    return place


PLACES: dict[str, Callable[[Path, Path], Path]] = {
    "beside the file": lambda base, _: base / "gpg",
    "at the top": lambda _, top: top / "gpg",
    "with dots": lambda _, top: top.parent / "x" / ".." / top.name / "gpg",
    "a link out of it": lambda base, top: link(base / "gpg", top.parent / "outside"),
    "a link into it": lambda base, top: link(top.parent / "gpg", base / "evil"),
    "through a folder's link": lambda base, top: link(top.parent / "bin", base) / "gpg",
    "through this process": lambda base, _: Path(f"/proc/self/root{base}/gpg"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_program_in_checkout_is_refused(context: Context, place: Callable[[Path, Path], Path]) -> None:
    path = place(context.base, context.base.parents[1])
    with pytest.raises(Denied) as caught:
        check_program("gpg", str(path), context)
    assert caught.value.problems[0].what == f"gpg {TOLD}"


def test_program_outside_checkout_is_taken(context: Context) -> None:
    for path in (context.base.parents[2] / "outside", context.base.parents[2] / "checkout-2" / "gpg", "/usr/bin/gpg"):
        check_program("gpg", str(path), context)


def test_submodules_superproject_is_same_checkout(context: Context) -> None:
    (context.base / ".git").write_text("gitdir: ../../.git/modules/config\n")
    with pytest.raises(Denied):
        check_program("gpg", str(context.base.parents[1] / "gpg"), context)


def test_without_git_environments_folder_is_checkout(tmp_path: Path) -> None:
    with pytest.raises(Denied):
        check_program("gpg", str(tmp_path / "config" / "gpg"), Context(tmp_path / "config", {}, 0))
    check_program("gpg", str(tmp_path / "gpg"), Context(tmp_path / "config", {}, 0))


def test_gpg_of_branch_is_not_started_but_that_of_variable_is(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "config")
    path = str(folder.write("gpg", "#!/bin/sh\n"))
    with pytest.raises(Denied, match=TOLD):
        Gpg(Sops(gpg=path), folder.context())
    folder.environ["SOPS_GPG_EXEC"] = path
    Gpg(Sops(), folder.context())


def test_check_tells_of_programs_of_branch(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "config")
    program = str(folder.path / "program")
    provider = Sops(gpg=program, program=program)
    found = iter(provider.check("a.yaml", folder.context()))
    told = [next(found).what, next(found).what]
    with pytest.raises(NotFound):  # there is no such file
        next(found)
    assert told == [f"gpg {TOLD}", f"program {TOLD}"]


@pytest.mark.parametrize("general", [True, False])
def test_endpoint_of_file_is_one_that_variable_names(tmp_path: Path, general: bool) -> None:
    ours, evil = "https://store.example", "https://evil.example"

    def ask(url: str, service: str) -> None:
        environ = {"AWS_ENDPOINT_URL" if general else f"AWS_ENDPOINT_URL_{service}": f"{ours}:443/"}
        if service == "S3":
            find(Sops(s3=url), environ)
        else:
            Kms(Sops(kms={"allow": ["arn:x"], "endpoint": url}), Context(tmp_path, environ, 0))

    for service in ("S3", "KMS"):
        ask(ours, service)
        with pytest.raises(Denied, match=f"{evil} is not the server in AWS_ENDPOINT_URL"):
            ask(evil, service)


FILES: dict[str, Callable[[Path, Path], Path]] = {
    "elsewhere in the home folder": lambda _, home: home / ".netrc",
    "a neighbour": lambda base, _: base.parents[2] / "other" / "keys.txt",
    "the system's": lambda _, __: Path("/etc/passwd"),
    "of a process": lambda _, __: Path("/proc/self/environ"),
    "a link of the checkout": lambda base, home: link(base / "keys.txt", home / ".netrc"),
    "a name that only begins alike": lambda _, home: home / "agent" / "password",
}
FIELDS = ("age_key_file", "age_passphrase_file")


def homely(context: Context) -> tuple[Context, Path]:
    home = context.base.parents[2] / "home"
    for name in (".netrc", "agent/password", "age/x", ".sops-keys", ".config/sops/age/staging.txt", "given"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("CANARY-one-line\n")
    return context._replace(environ={"HOME": str(home), "SOPS_AGE_KEY_FILE": str(home / "given")}), home


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("place", FILES.values(), ids=FILES)
def test_file_that_is_none_of_sopss_is_not_tried(
    context: Context, field: str, place: Callable[[Path, Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, home = homely(context)
    path = place(context.base, home)
    section = Sops(**{field: str(path)})
    read: list[Path] = []
    monkeypatch.setattr("bridge_providers.sops.files.read", lambda file: read.append(file) or b"")
    with pytest.raises(Denied) as caught:
        Age(section, context)
    told = f"{field} {path} is not in a place for SOPS keys; a branch could try any file as a key"
    assert caught.value.problems[0].what == told
    assert [one.what for one in problems(section, context)] == [told]
    assert read == []


@pytest.mark.parametrize("field", FIELDS)
def test_file_of_sopss_own_places_is_taken(context: Context, field: str) -> None:
    context, home = homely(context)
    names = ("age/x", ".sops-keys", ".config/sops/age/staging.txt", "given")
    for path in (*(home / name for name in names), context.base / "keys.txt", context.base.parents[1] / "keys.txt"):
        section = Sops(**{field: str(path)})
        Age(section, context)
        assert list(problems(section, context)) == []
    Age(Sops(age_key_file="/var/run/secrets/age/keys.txt"), context)


def test_outside_of_git_only_what_system_makes_up_is_not_tried(tmp_path: Path) -> None:
    context = Context(tmp_path / "config", {}, 0)
    Age(Sops(age_key_file="../keys.txt"), context)
    with pytest.raises(Denied):
        Age(Sops(age_key_file="../../../../../../../proc/self/environ"), context)
