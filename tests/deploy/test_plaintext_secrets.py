"""What may be a plaintext secret in a file that is about to go into a ConfigMap: in every form that SOPS writes."""

import json
import subprocess
from pathlib import Path

import pytest

from bridge.deploy.plaintext_secrets import suspicious
from bridge.errors import ConfigError

CANARY = "CANARY-sk-9f8e7d6c5b4a39281706"
FILES = {
    "a.yaml": "KEY: {clear}\n",
    "a.json": '{{"KEY": "{clear}"}}\n',
    "a.env": "KEY={clear}\n",
    "a.pem": "{clear}\n",
}


@pytest.fixture
def encrypt(tmp_path: Path, sops_binary: Path) -> object:
    def encrypt(name: str, *flags: str) -> Path:
        path = tmp_path / name
        path.write_text(FILES[name].format(clear=CANARY))
        recipient = "age145sc44p25z75t7yz6k9yv59z057vpdxkqjv9mk9e5an6kdvlfqtsafq2rc"
        command = [sops_binary, "encrypt", "--age", recipient, *flags, "--in-place", path]
        subprocess.run(command, check=True, capture_output=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
        return path

    return encrypt


@pytest.mark.parametrize("name", FILES)
def test_file_that_sops_wrote_is_clean(encrypt, name: str) -> None:
    assert list(suspicious(encrypt(name), name, "encrypted")) == []


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.env"])
def test_what_its_rule_leaves_in_clear_is_found(encrypt, name: str) -> None:
    found = list(suspicious(encrypt(name, "--unencrypted-regex", "^KEY$"), name, "encrypted"))
    assert len(found) == 1
    assert "CANARY" not in str(found)


def test_file_that_is_not_json_is_refused_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f'{{"KEY": {CANARY}}}')
    with pytest.raises(ConfigError) as caught:
        list(suspicious(tmp_path / "a.json", "a.json", "encrypted"))
    assert str(caught.value) == "a.json: is not valid JSON"
    assert caught.value.__context__ is None
    assert json.dumps(str(caught.value)).find("CANARY") == -1
