"""Words that a shell reads back as they were."""

import subprocess

import pytest

from bridge.shell import command, word

ODD = ["", "a b", "é", "it's", 'say "x"', "$HOME", "`id`", "~", "*", "a\nb", "\x1b[0m\\'", "x\u202ey", "\udcff1", "#"]


@pytest.mark.parametrize("text", ODD)
def test_shell_reads_word_back_as_it_was_and_terminal_can_show_it(text: str) -> None:
    script = f"printf %s {word(text)}"
    done = subprocess.run(["bash", "-c", script], env={"LC_ALL": "C.UTF-8"}, check=True, capture_output=True)
    assert done.stdout == text.encode(errors="surrogateescape")
    assert word(text).isprintable()


def test_plain_words_have_no_quotes() -> None:
    assert command(["bridge", "import", "staging", "a/b-c_d.yml", "--to", "sops:x.sops.yaml"]) == (
        "bridge import staging a/b-c_d.yml --to sops:x.sops.yaml"
    )
