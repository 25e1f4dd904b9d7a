"""Files whose comments say what is encrypted: checked by bridge without a key."""

import json

import pytest

from bridge_providers.sops.selectors import STRAY
from tests.providers.sops.test_tampering import PLAIN

ENCRYPTED, UNENCRYPTED = "encrypted_comment_regex", "unencrypted_comment_regex"
macs = pytest.mark.parametrize("mac", [{}, {"mac_only_encrypted": True}], ids=["whole MAC", "MAC of the encrypted"])


@macs
def test_a_check_without_a_key_sees_what_the_comments_say(sops, mac):
    sops.encrypt("a.yaml", "# x\na: CANARY-1\nb: CANARY-2\nc: C # x\n", **{ENCRYPTED: "x"}, **mac)
    sops.environ = {}
    sound = sops.problems("a.yaml")
    assert len(sound) == len(mac)  # of which a check warns
    value = sops.value("a.yaml", "a")
    sops.edit("a.yaml", value, "CANARY-1")
    assert sops.problems("a.yaml") == [*sound, f"key a {PLAIN}"]
    sops.edit("a.yaml", "CANARY-1", value)
    sops.edit("a.yaml", "# x\na", "a")
    assert sops.problems("a.yaml") == [*sound, f"key a {STRAY}"]
    sops.edit("a.yaml", "b: CANARY-2", "b: CANARY-2 # x")
    assert sops.problems("a.yaml") == [*sound, f"key a {STRAY}", f"key b {PLAIN}"]


def test_a_check_holds_comments_against_the_rule_of_today(sops):
    sops.encrypt("a.yaml", "# x\na: CANARY-1\n# y\nb: CANARY-2\nc: CANARY-3\n", encrypted_regex="^$")
    rule = f"{sops.path}/.sops.yaml: rule 1"

    def today(**selector):
        sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, **selector}]}))
        return sops.problems("a.yaml")

    assert today(**{ENCRYPTED: "x"}) == [f"key a is in clear, and {rule} wants it encrypted"]
    assert today(**{UNENCRYPTED: "[xy]"}) == [f"key c is in clear, and {rule} wants it encrypted"]
    sops.encrypt("a.yaml", "# x\na: CANARY-1\n", encrypted_regex=".")
    assert today(**{ENCRYPTED: "x"}) == []
    sops.encrypt("a.yaml", "# x\na_unencrypted: a\n# x\nb: CANARY\n")
    assert today(**{ENCRYPTED: "x"}) == [
        f"was not held against {rule}: that is over comments, and the file's are encrypted"
    ]
