"""Comments anywhere in a YAML file: bridge and the real sops choose the same values, and read what the other wrote."""

import pytest
import yaml
from hypothesis import event, given, reject, settings
from hypothesis import strategies as st

from bridge.provider import ProviderError
from bridge_providers.sops import comments_yaml, metadata, store_yaml
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.selectors import selector
from bridge_providers.sops.walk import Walk
from tests.providers.sops.commented import texts
from tests.providers.sops.folder import opened, sealed
from tests.providers.sops.test_generated import bounded

RULES = ("encrypted_comment_regex", "unencrypted_comment_regex")
MOVED = "the change would let the file's comments count for other values"
COMMENT = ",type:comment]"
LAYOUT = "the file is written in a way that cannot be changed in place"


def chosen(text, rule):
    """Return which values bridge takes to be chosen in a text that nobody has encrypted yet."""
    block = metadata.Metadata((), GoTime.from_unix(0), "", rule, "sops:x", mac_only_encrypted=False, version="")
    found = []

    def visit(leaf, place, encrypted, walk):
        if not leaf.is_empty():  # which sops encrypts nowhere
            found.append(encrypted)
        return leaf

    data = text.encode()
    Walk(store_yaml.documents(data), selector(block, lambda: comments_yaml.comments(data)), visit).run()
    return found


def leaves(node):
    if isinstance(node, (dict, list, tuple)):
        return [leaf for child in (node.values() if isinstance(node, dict) else node) for leaf in leaves(child)]
    return [node]


def encrypted(shared, text, rule, *, alone):
    """Let sops encrypt a text, and return which values it has chosen."""
    path = shared.encrypt("a.yaml", text, **{rule: "sops:x"}, **({"mac_only_encrypted": True} if alone else {}))
    documents = list(yaml.safe_load_all(path.read_text()))
    for document in documents:
        del document["sops"]
    # sops writes an encrypted comment in a list as an item, and an empty one as an empty text.
    return [leaf.startswith("ENC[") for leaf in leaves(documents) if leaf and not leaf.endswith(COMMENT)]


@pytest.mark.parametrize(
    "text",
    [
        "a: A\n\n# sops:x\nb: B\n",
        "m: # sops:x\n  b: B\nc: C\n",
        "m: # sops:x\nb: B\n",
        "a: A\nm:\n  # sops:x\n\n  c: C\n  d: D\n",
        "m:\n  d: D\n  n:\n  # sops:x\nl: L\n",
        "  # sops:x\nk: [A,\n      # sops:x\n\n  B]\n",
        "m:\n  n: N\n# sops:x\n\na: A\nb: B\n",
        "m:\n  d: D\n  n: N\n  # sops:x\nl: L\n",
        "l:\n- A\n  # sops:x\n\na: A\n",
        "l:\n  - B\n  # sops:x\nm: M\n",
        "l:\n  - B\n# sops:x\nm: M\n",
        "l:\n  - p: P\n# other\n\n    # sops:x\nk: K\n",
        "l:\n  - p: P\n    # other\n\n    # sops:x\nk: K\n",
        "m:\n  n:\n    x: X\n    # other\n\n    # sops:x\n  o: O\n",
        "k: [A,\n      # sops:x\n\n  B]\nl: L\n",
        "k: [A,\n  B]\n  # sops:x\n\nb: B\n",
        "m:\n  # other\n # sops:x\n  a: A\n  b: B\n",
        "m:\n # sops:x\n\n  a: A\n  b: B\nc: C\n",
        "l:\n  - A\n# sops:x\n\n  - B\n  - C\n",
    ],
)
def test_layouts_where_a_column_or_an_empty_line_counts(shared, text):
    assert encrypted(shared, text, RULES[0], alone=False) == chosen(text, RULES[0])


@settings(bounded, max_examples=40)
@given(text=texts(is_tidy=False), rule=st.sampled_from(RULES))
def test_the_same_values_are_chosen(shared, text, rule):
    try:
        expected = chosen(text, rule)
    except ProviderError:
        reject()  # a comment that ends a plain text in the midst, for one
    assert encrypted(shared, text, rule, alone=False) == expected


@settings(bounded, max_examples=40)
@given(text=texts(is_tidy=True), rule=st.sampled_from(RULES), alone=st.booleans(), data=st.data())
def test_what_one_writes_the_other_reads(shared, text, rule, alone, data):
    encrypted(shared, text, rule, alone=alone)
    done = shared.sops("decrypt", "a.yaml")
    if done.returncode:
        # sops moves some comments when it writes the file, so that they count for other values when it is read.
        event("sops cannot read what it wrote")
        # Encrypted comments in lists are read over, as by other releases (test_list_comments.py).
        if "type:comment" not in (shared.path / "a.yaml").read_text():
            assert shared.refusal("a.yaml")
        return
    event("sops can read it")
    plain = list(yaml.safe_load_all(done.stdout))
    assert shared.values("a.yaml") == list(map(opened, map(sealed, plain)))


def others(node):
    """Draw a tree of the same shape with other texts here and there."""
    if isinstance(node, dict):
        return st.fixed_dictionaries({key: others(child) for key, child in node.items()})
    if isinstance(node, list):
        return st.tuples(*map(others, node)).map(list)
    return st.sampled_from([node, node, f"{node}!"])
