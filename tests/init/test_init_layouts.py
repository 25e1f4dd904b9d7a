"""Whatever layout `bridge init` drafts from: `bridge check` takes it, and it has what kustomize builds."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml

from bridge.config.environment import load_environment
from bridge.config.template import TemplateObject, load_templates
from tests.desk import Result
from tests.init import layouts
from tests.team import write_files

UNBUILT = {"charts"}  # kustomize fetches a chart for it
Built = dict[tuple[str, str], dict[str, Any]]


def built(kustomize: Path, overlay: Path) -> Built:
    """Return the Secrets and ConfigMaps that kustomize builds."""
    done = subprocess.run([kustomize, "build", overlay], check=True, capture_output=True, text=True)
    objects = [one for one in yaml.load_all(done.stdout, yaml.BaseLoader) if one["kind"] in ("Secret", "ConfigMap")]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def drafted() -> dict[tuple[str, str], TemplateObject]:
    environment = load_environment(Path("drafts"), "staging")
    return {(one.id.kind, one.id.name): one for one in load_templates(environment, environment.namespace)}


def keys(one: dict[str, Any]) -> set[str]:
    return {key for section in ("data", "stringData", "binaryData") for key in one.get(section) or {}}


def untold(theirs: Built, data: dict[str, Any]) -> Iterator[str]:
    """Yield what kustomize builds, the drafted templates have not, and `init` does not name."""
    ours, told = drafted(), json.dumps([data["others"], data["warnings"]])
    for (kind, name), one in theirs.items():
        if (kind, name) not in ours:
            if not any(f"{kind}/{name}".startswith(other) for other in data["others"]):
                yield f"{kind}/{name}"
            continue
        mine = ours[kind, name]
        yield from (f"{kind}/{name} {key}" for key in keys(one) ^ mine.keys.keys() if key not in told)
        for field, given in (("labels", mine.labels), ("annotations", mine.annotations)):
            there = {key: text for key, text in (one["metadata"].get(field) or {}).items() if "kustomize-" not in text}
            yield from (f"{kind}/{name} {key}" for key in there.items() ^ given.items() if key[0] not in told)


def encrypt(sops: Path) -> None:
    """Make the source that the environment lists, with the fields of the drafted example."""
    names = yaml.safe_load(Path("drafts/staging.sops.example.yaml").read_text())
    recipients = ",".join(str(pyrage.x25519.Identity.generate().to_public()) for _ in range(2))
    command = [sops, "-e", "--age", recipients, "--input-type", "json", "--output-type", "yaml", "/dev/stdin"]
    done = subprocess.run(command, input=json.dumps(names).encode(), check=True, capture_output=True)
    Path("drafts/staging.sops.yaml").write_bytes(done.stdout)


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_check_takes_draft_of_every_layout(
    run: Callable[..., Result], kustomize_binary: Path, sops_binary: Path, layout: str
) -> None:
    files = layouts.LAYOUTS[layout]
    write_files(Path("k8"), {"config/.env.k8s.staging": "K8_ENV=staging\n"} | files)
    overlays = sorted(Path("k8").rglob("staging/kustomization.yaml")) or [Path("k8/kustomization.yaml")]
    theirs = {} if layout in UNBUILT else built(kustomize_binary, overlays[0].parent)
    data = run("init", "staging", "--from", "k8", "--config", "drafts", "--output", "json").data
    assert list(untold(theirs, data)) == []
    encrypt(sops_binary)
    result = run("check", "staging", "--config", "drafts")
    assert (result.err, result.status) == ("", 0)
    assert not [one for one in data["warnings"] if "refuses it" in one["what"]]


@pytest.mark.parametrize(
    ("secret", "settings"),
    [
        (layouts.SECRET, layouts.SETTINGS.replace("info", '"${DB_USER}"')),
        (layouts.SECRET + "type: kubernetes.io/tls\n", layouts.SETTINGS),
        (layouts.SECRET, layouts.SETTINGS.replace("name: settings", "name: bridge-web-staging")),
    ],
    ids=["a variable of both kinds", "a key that the type wants", "the name of the state"],
)
def test_what_check_will_refuse_all_same_is_reported(
    run: Callable[..., Result], sops_binary: Path, secret: str, settings: str
) -> None:
    base = layouts.BASE | {"base/secret.yaml": secret, "base/settings.yaml": settings}
    write_files(Path("k8"), base | {layouts.OVERLAY: layouts.HEAD, "config/.env.k8s.staging": "K8_ENV=staging\n"})
    told = run("init", "staging", "--from", "k8", "--config", "drafts", "--output", "json").data["warnings"]
    encrypt(sops_binary)
    refused = run("check", "staging", "--config", "drafts", "--output", "json").data["errors"]
    assert refused
    assert [one["what"] for one in told] == [f"{one['what']}; `bridge check` will refuse it" for one in refused]
