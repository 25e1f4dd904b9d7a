"""The help page's way from plaintext patches to bridge, line by line, on a real API server with real controllers."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.importing.migrating import Team, agreed_to, check_migration, deployed, lines
from tests.pages import page
from tests.servers.apiserver import RealCluster
from tests.servers.kwok import Kwok
from tests.servers.vault import DevVault


@pytest.fixture
def team(  # noqa: PLR0917 - fixtures
    real_cluster: RealCluster,
    controllers: Kwok,
    kustomize_binary: Path,
    kubectl_binary: Path,
    age_binaries: tuple[Path, Path],
    tmp_path: Path,
) -> Iterator[Team]:
    """A repository with two overlays, deployed in clear; there is no age key and no `.sops.yaml`."""
    programs = [kustomize_binary, kubectl_binary, age_binaries[1]]
    with deployed(tmp_path, real_cluster, [Path(sys.executable).parent, *(one.parent for one in programs)]) as team:
        yield team


def test_migrating_loses_nothing_restarts_nothing_and_leaves_nothing_in_clear(team: Team) -> None:
    check_migration(team, lines(team))


def test_every_line_can_be_repeated(team: Team) -> None:
    """But for the first, which never writes over a file, and `import` of a file that is gone."""
    before = team.values()
    for line in lines(team):
        team.run(line)
        if not line.startswith("bridge init staging --from"):
            team.run(line)
        assert team.values() == before, line


def test_what_init_prints_migrates_too_wherever_repository_is(team: Team) -> None:
    """From another folder, so that every command has to name the repository and its configuration."""
    folder = team.folder.rename(team.folder.parent / "l'équipe “voix” $HOME")
    where = shlex.join(["--from", str(folder), "--config", str(folder / "config")])
    team.folder = folder.parent
    printed = [line.strip() for line in team.run(f"bridge init staging {where}").splitlines() if line.startswith("  ")]
    rows = next(number for number, line in enumerate(printed) if line.startswith("test -f"))
    commands = [agreed_to(line) for line in printed[rows:]]
    look = next(number for number, line in enumerate(commands) if line.startswith("bridge scan"))
    patch = folder / "apps/overlays/staging/patches/staging-secret-config-patch.yml"
    commands.insert(look, shlex.join(["rm", str(patch)]))
    commands.append(commands.pop(look + 1))  # what check_migration looks at last
    for line in commands[:-1]:
        assert line.startswith(("test ", "sed ", "kubectl ", "rm ")) or " --config " in line, line
    check_migration(team, commands, config=folder / "config")


def test_migrating_into_vault(team: Team, dev_vault: DevVault) -> None:
    """With a token of the help page's writer, then with one of its reader."""
    mount = team.folder.parent.name.replace("_", "-")
    dev_vault.mount(mount, 2)
    for name in ("vault-policy", "vault-writer-policy"):
        text = page("vault").block(name).split("<<'EOF'\n")[1].split("EOF\n")[0]
        dev_vault.policy(f"{mount}-{name}", text.replace("kv/", f"{mount}/"))
    team.environ |= {"VAULT_ADDR": dev_vault.address, "VAULT_TOKEN": dev_vault.token(f"{mount}-vault-writer-policy")}
    imports = iter(lines(team, "migrating-into-vault"))
    commands = [line for line in lines(team) if "age-keygen" not in line]
    commands = [
        next(imports).replace("vault:kv/", f"vault:{mount}/") if line.startswith("bridge import") else line
        for line in commands
    ]
    reading = next(number for number, line in enumerate(commands) if line.startswith("bridge check"))
    for line in commands[:reading]:
        team.run(line)
    text = (team.folder / "config" / "staging.yaml").read_text()
    assert "sops" not in text
    team.environ["VAULT_TOKEN"] = dev_vault.token(f"{mount}-vault-policy")
    check_migration(team, commands[reading:])
    assert not (team.folder / "config" / "staging.sops.yaml").exists()


def test_without_migrating_each_trap_is_sprung(team: Team) -> None:
    """The same repository, with its values taken out of the build by hand: a deploy destroys what runs."""
    overlay = team.folder / "apps" / "overlays" / "staging"
    text = (overlay / "kustomization.yaml").read_text()
    (overlay / "kustomization.yaml").write_text(text.partition("patches:")[0])
    team.run("kubectl apply -k apps/overlays/staging")
    assert team.values()["agent-secrets"]["OPENAI_API_KEY"] == "${OPENAI_API_KEY}"
