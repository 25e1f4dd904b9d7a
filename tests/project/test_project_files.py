"""What GitHub and a package index read of this repository: issue forms, the release workflow, metadata, locks."""

import email
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.pages import README, ROOT, page

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
LOCKS = [path.name for path in sorted(ROOT.glob("requirements*.lock"))]


def attributes(required: list[str], /, **properties: str) -> dict[str, Any]:
    types = {name: {"type": kind} for name, kind in properties.items()}
    return {"type": "object", "required": required, "properties": types, "additionalProperties": False}


TEXT: Final = {"label": "string", "description": "string", "placeholder": "string", "value": "string"}
FIELDS: Final = {
    "markdown": attributes(["value"], value="string"),
    "input": attributes(["label"], **TEXT),
    "textarea": attributes(["label"], **TEXT, render="string"),
    "dropdown": attributes(["label", "options"], label="string", description="string", options="array"),
    "checkboxes": attributes(["label", "options"], label="string", description="string", options="array"),
}
"""GitHub's rules for each type of field:
https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema"""

FORM: Final = {
    "type": "object",
    "required": ["name", "description", "body"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 4},
        "description": {"type": "string", "minLength": 4},
        "title": {"type": "string"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "body": {
            "type": "array",
            "contains": {"properties": {"type": {"not": {"const": "markdown"}}}},
            "items": {
                "type": "object",
                "required": ["type", "attributes"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": list(FIELDS)},
                    "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
                    "attributes": {"type": "object"},
                    "validations": attributes([], required="boolean"),
                },
                "allOf": [
                    {
                        "if": {"properties": {"type": {"const": name}}},
                        "then": {"properties": {"attributes": rules}},
                    }
                    for name, rules in FIELDS.items()
                ],
            },
        },
    },
}


def names(lock: str) -> dict[str, str]:
    """Return the packages of a lock and their versions."""
    lines = (ROOT / lock).read_text().splitlines()
    return dict(line.split(" ")[0].split("==") for line in lines if re.match(r"[a-z0-9]", line))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_form_is_valid_and_warns_of_values(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    jsonschema.Draft202012Validator(FORM).validate(form)
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(set(ids)) == len(ids)
    assert "Never paste secret values" in form["body"][0]["attributes"]["value"]


def test_schema_of_forms_refuses_unknown_attribute() -> None:
    form = yaml.safe_load(FORMS[0].read_text())
    form["body"][1]["attributes"]["lable"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(FORM).validate(form)


def test_actionlint_accepts_release_workflow(tmp_path: Path, actionlint_binary: Path) -> None:
    copy = tmp_path / ".github" / "workflows" / "release.yml"
    copy.parent.mkdir(parents=True)
    copy.write_text(WORKFLOW.read_text())
    (tmp_path / ".git").mkdir()
    done = subprocess.run([actionlint_binary], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_release_workflow_pins_actions_and_stores_no_token() -> None:
    text = WORKFLOW.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    uses = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in uses)
    assert len(re.findall(r"uses: \S+ # v\d+\.\d+\.\d+$", text, re.MULTILINE)) == len(uses)
    assert "secrets." not in text
    assert workflow["jobs"]["build"]["permissions"] == {"contents": "read"}


def test_classifiers_name_every_python_from_oldest_allowed() -> None:
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert named == ["3.11", "3.12", "3.13", "3.14"]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [allowed.contains(name) for name in ("3.10", *named)] == [False, True, True, True, True]
    script = (ROOT / "tests" / "pythons").read_text()
    assert f"for version in {' '.join(named)}; do" in script


def test_links_of_readme_to_files_exist_and_read_without_link() -> None:
    """A package index shows README.md, but not the files that it links to."""
    links = re.findall(r"(?<!!)\[([^\[\]]+)\]\((?!https?:)([^)#]+)[^)]*\)", README.text)
    assert links
    for text, target in links:
        assert (ROOT / target).exists(), target
        assert text.strip("`").removeprefix("bridge help ") in {target, target.rstrip("/") + "/", Path(target).stem}


@pytest.mark.wheel
def test_built_metadata_has_all_that_an_index_shows(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == README.text.strip()
    assert len(metadata["Summary"]) < 512
    assert metadata["Keywords"].split(",") == PROJECT["keywords"]
    assert metadata.get_all("Classifier") == PROJECT["classifiers"]
    assert not [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]


def test_image_lock_is_lock_without_kubernetes_and_what_only_it_needs() -> None:
    image, whole = names("requirements-image.lock"), names("requirements.lock")
    assert image.items() <= whole.items()
    needed = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert needed - set(image) == {"kubernetes"}
    assert len(whole) - len(image) > 10


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_server_and_has_hash_for_every_package(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert len(names(lock)) > 15
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry.split(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_makefile_makes_every_lock() -> None:
    assert set(re.findall(r"-o (requirements\S*\.lock)$", (ROOT / "Makefile").read_text(), re.MULTILINE)) == set(LOCKS)


@pytest.mark.wheel
@pytest.mark.timeout(900)
def test_sbom_lists_every_package_of_image(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    path = tmp_path / "new" / "bridge.cdx.json"
    done = subprocess.run(
        ["make", "sbom", f"SBOM={path}"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(path.read_text())
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "bridge-secrets")
    listed = {component["name"]: component["version"] for component in document["components"]}
    assert listed == names("requirements-image.lock")


def test_security_page_and_forms_give_no_address() -> None:
    texts = [page("SECURITY.md").text, *(path.read_text() for path in FORMS)]
    assert [text for text in texts if re.search(r"https?://|[\w.]+@[\w.]+", text)] == []
    assert "**Report a vulnerability**" in texts[0]
