"""The report for a pipeline's summary page: whatever the names and messages hold, and however many there are."""

from bridge.report.markdown import LIMIT, plan_markdown

CLUSTER = {"server": "https://10.0.0.1:6443", "context": "kapsule", "source": "the kubeconfig", "binding": None}
COUNTS = dict.fromkeys(("create", "update", "recreate", "delete", "leave", "keep", "altered"), 0)


def field(name, what="add", place="a"):
    origin = {"place": place, "places": [place], "revision": "1"}
    return {"name": name, "what": what, "altered": None, "origin": origin, "by": [], "value": "CANARY"}


def report(*keys, **changes):
    one = {"kind": "Secret", "name": "s", "action": "create", "restored": False, "written": "no", "keys": list(keys)}
    one |= {"altered": False, "fields": []}
    data = {
        "environment": "staging",
        "namespace": "voice",
        "cluster": CLUSTER,
        "summary": COUNTS | {"create": 1},
        "result": "planned",
        "sources": {},
        "objects": [one | {"labels": [field("l")], "annotations": [field("n", "remove")]}],
    }
    data |= {key: [] for key in ("refusals", "warnings", "errors")}
    return plan_markdown(data | changes)


def test_labels_and_annotations_are_reported_and_value_is_not():
    text = report(field("A"), field("B", "keep"))
    assert [line for line in text.splitlines() if line.startswith("| `")] == [
        "| `+` | `Secret/s` | | to create | |",
        "| `+` | | `A` | new | `a @ 1` |",
        "| `+` | | label `l` | new | `a @ 1` |",
        "| `-` | | annotation `n` | no longer in any template | `a @ 1` |",
    ]
    assert "CANARY" not in text


def test_name_cannot_leave_its_quotes_or_its_cell():
    text = report(field("A`|![x](https://example.com)``"), sources={"plain:`<b>`": "1"})
    assert "| | ``` A`\\|![x](https://example.com)`` ``` | new |" in text
    assert "Read: `` plain:`<b>` @ 1 ``\n" in text


def test_message_is_text_whatever_it_holds():
    refusal = {"where": "", "what": "<img src=x> [a](b) **c** `d` | e", "hint": "x_y"}
    text = report(refusals=[refusal], errors=[{"where": "w", "what": "e", "hint": ""}])
    assert "- \\<img src=x\\> \\[a\\](b) \\*\\*c\\*\\* \\`d\\` \\| e (x\\_y)\n" in text
    assert "**Errors**\n\n- `w`: e\n" in text


def test_report_of_any_size_fits_and_tells_refusals_first():
    many = [field(f"{'é' * 200}{number}") for number in range(5_000)]
    text = report(*many, refusals=[{"where": "x", "what": "is refused", "hint": ""}])
    assert LIMIT - 1_000 < len(text.encode()) < LIMIT + 100
    assert text.index("- `x`: is refused") < 200
    left = 5_000 - text.count("`é")
    assert text.endswith(f"\n*{left + 2} more lines: see `bridge plan`.*\n")
