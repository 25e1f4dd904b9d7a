"""The page of `bridge status --output html`: one file without scripts, styles or images from elsewhere.

Its text comes from names that anyone may have chosen, so all of it goes through `_text`. The content security policy
allows nothing but the page's own style and script, so a mistake here could not run anything. A page may have thousands
of rows: their markup is as short as HTML allows, and whatever they share is in style.css.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from bridge import __version__
from bridge.config.durations import in_short
from bridge.named_tuple import NamedTuple
from bridge.report.cluster import POD, cluster_text
from bridge.report.fleet import first_problem
from bridge.report.output import printable_data, write_text
from bridge.report.own_flags import with_hints
from bridge.report.record import Record
from bridge.report.status import IN_SYNC, LEFT, OTHER
from bridge.report.talk import printable

LOOKS: Final = {
    "overdue": "bad",
    "not bound": "warn",
    "failed": "bad",
    "refused": "bad",
    "altered": "bad",
    "interrupted": "bad",
    "not reached": "bad",
    "out of sync": "warn",
    "in sync": "good",
}
"""The states of an environment, most urgent first, and how each looks. An environment may have several."""
NAMED: Final = 2
"""The number of differing keys that an environment's row names."""
STEPS: Final = 20
"""The number of lengths that a bar can have. A length of its own would need a style attribute, which is not allowed."""
HEAD: Final = "<thead><tr><th>Key<th>State<th>Layer<th>From<th>Revision<th>Last change<th>Age<tbody>"
SOURCES: Final = "<thead><tr><th>Source<th>Revision<th>Written last<th>Order<th>Unused fields<tbody>"


def write_page(record: Record, data: dict[str, Any]) -> None:
    """Write the report of one or many environments to stdout as a page."""
    write_text(status_page(with_hints(record, data) | {"run": record.id}, datetime.now(UTC)))


def status_page(data: Mapping[str, Any], now: datetime) -> str:
    """Return the page for the data of a fleet; the same data and time give the same page."""
    data = printable_data(data)
    entries = sorted(map(_entry, data["environments"]), key=_urgency)
    clusters = {_cluster(entry.data) for entry in entries} - {""}
    style, script = _part("style.css") + _bars(), _part("script.js")
    return Template(_part("page.html")).substitute(
        policy=_policy(style, script),
        title=_text(_title(entries)),
        style=style,
        script=script,
        heading=_text(_heading(entries)),
        sub=_sub(data, entries, now),
        counts=_counts(entries),
        columns="" if len(clusters) > 1 else " one",
        environments="\n".join(_environments(entries)),
        footer=_text(f"bridge {__version__}, run {data['run']}. Times are in UTC. This page contains no values."),
    )


def _part(name: str) -> str:
    return files("bridge.report").joinpath("page", name).read_text(encoding="utf-8")


def _bars() -> str:
    """Return a rule for each length of a bar."""
    return "".join(f".b{step}{{--x:{100 * step // STEPS}%}}\n" for step in range(STEPS + 1))


def _policy(style: str, script: str) -> str:
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    own = "style-src 'sha256-{}'; script-src 'sha256-{}'".format(*hashes)
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _text(text: object) -> str:
    """Escape a text for an element or a quoted attribute."""
    return escape(str(text))


class _Age(NamedTuple):
    """The age of a key's value. `share` is how much of its time has passed, or None if it has no limit."""

    key: str
    seconds: int
    share: float | None
    text: str
    is_overdue: bool
    is_soon: bool

    @property
    def urgency(self) -> tuple[bool, bool, float, int]:
        """A key that sorts the most urgent age first."""
        return not self.is_overdue, not self.is_soon, 1 if self.share is None else -self.share, -self.seconds

    @property
    def look(self) -> str:
        """The class that colours an age."""
        return "o" if self.is_overdue else "u" if self.is_soon else ""


class _Entry(NamedTuple):
    """An environment's data with its states and the ages of its values, both with the most urgent first."""

    data: Mapping[str, Any]
    states: Sequence[str]
    ages: Sequence[_Age]

    @property
    def name(self) -> str:
        return str(self.data["environment"])


def _entry(data: Mapping[str, Any]) -> _Entry:
    ages = sorted(filter(None, map(_age, data.get("keys", ()))), key=lambda age: age.urgency)
    found = {data["result"]}
    if any(age.is_overdue for age in ages):
        found.add("overdue")
    if "cluster" in data and data["cluster"]["binding"] is None:
        found.add("not bound")
    return _Entry(data, [state for state in LOOKS if state in found], ages)


def _urgency(entry: _Entry) -> tuple[bool, bool, int, str]:
    """Order the environments: overdue ones, then ones that are not bound, then by what is wrong."""
    order = list(LOOKS)
    return "overdue" not in entry.states, "not bound" not in entry.states, order.index(entry.data["result"]), entry.name


def _age(row: Mapping[str, Any]) -> _Age | None:
    """Return the age of a key's value, or None if nothing is known about it."""
    age = row["age"] or {"seconds": None, "limit": None, "expires_in": None}
    seconds, limit, expires_in = age["seconds"], age["limit"], age["expires_in"]
    if (seconds, limit, expires_in) == (None, None, None):
        return None
    known = "?" if seconds is None else f"{'≥ ' if age['at_least'] else ''}{in_short(seconds)}"
    share, text = None, known if limit is None else f"{known} / {in_short(limit)}"
    if limit is not None and seconds is not None:
        share = seconds / limit
    if expires_in is not None:
        passed = 1.0 if expires_in <= 0 else 0.0 if seconds is None else seconds / (seconds + expires_in)
        if share is None or passed >= share:
            share = passed
            text = f"expires in {in_short(expires_in)}" if expires_in > 0 else f"expired {in_short(-expires_in)} ago"
    return _Age(row["key"], seconds or 0, share, text, age["overdue"], age["soon"])


def _cluster(data: Mapping[str, Any]) -> str:
    """Return the short name of an environment's cluster, or "" if it is unknown."""
    if "cluster" not in data:
        return ""
    return str(data["cluster"]["context"] or POD)


def _title(entries: Sequence[_Entry]) -> str:
    if len(entries) == 1:
        return f"{_heading(entries)} ({', '.join(entries[0].states)})"
    urgent = sum(entry.states != [IN_SYNC] for entry in entries)
    return f"{_heading(entries)} ({urgent:,} of {len(entries):,} need attention)" if urgent else _heading(entries)


def _heading(entries: Sequence[_Entry]) -> str:
    return f"bridge status: {entries[0].name}" if len(entries) == 1 else "bridge status"


def _sub(data: Mapping[str, Any], entries: Sequence[_Entry], now: datetime) -> str:
    """Return when the page was made, and what all its environments share."""
    time = now.astimezone(UTC)
    parts = [f'<time datetime="{time:%Y-%m-%dT%H:%M:%SZ}">{time:%Y-%m-%d %H:%M} UTC</time>']
    clusters = {(one["server"], one["context"]): one for one in (entry.data.get("cluster") for entry in entries) if one}
    if len(clusters) == 1:
        parts += [_text(f"cluster: {cluster_text(one, note='')}") for one in clusters.values()]
    elif clusters:
        parts.append(f"{len(clusters):,} clusters")
    parts += [_text(f"shard {data['shard']}")] if data["shard"] else []
    return " &middot; ".join(parts)


def _counts(entries: Sequence[_Entry]) -> str:
    """Return the number of environments in each state, as links to the first of them; the script filters instead."""
    if len(entries) == 1:
        return ""
    counts = Counter(state for entry in entries for state in entry.states)
    items = [f'<li><a href="#" data-state=""><b>{len(entries):,}</b> environments</a>']
    items += [
        f'<li class={look}><a href="#{_mark(state)}" data-state="{_token(state)}"><b>{counts[state]:,}</b> {state}</a>'
        for state, look in LOOKS.items()
        if counts[state]
    ]
    return f'<ul class=counts aria-label="Environments by state">{"".join(items)}</ul>'


def _token(state: str) -> str:
    return state.replace(" ", "-")


def _mark(state: str) -> str:
    return f"state={_token(state)}"


def _environments(entries: Sequence[_Entry]) -> Iterator[str]:
    """Yield the environments. The first one of each state has a mark for the links."""
    marked: set[str] = set()
    for entry in entries:
        marks = "".join(f'<i id="{_mark(state)}"></i>' for state in entry.states if state not in marked)
        marked.update(entry.states)
        is_open = " open" if len(entries) == 1 else ""
        age = f" data-age={entry.ages[0].share or 0:.3f} data-old={entry.ages[0].seconds}" if entry.ages else ""
        states = " ".join(map(_token, entry.states))
        yield (
            f'<details data-s="{states}"{age}{is_open}>'
            f"<summary class=row>{_summary(entry, marks)}</summary>"
            f"<div class=in>{''.join(_details(entry.data))}</div></details>"
        )


def _summary(entry: _Entry, marks: str) -> str:
    states = "".join(f"<span class={LOOKS[state]}>{state}</span>" for state in entry.states)
    age = _bar(entry.ages[0]) if entry.ages else ""
    look = f"a {entry.ages[0].look}".strip() if entry.ages else "a"
    changed = max((row["changed"] or "" for row in entry.data.get("keys", ())), default="")
    return (
        f"<span class=n>{marks}{_text(entry.name)}</span><span class=s>{states}</span>"
        f"<span class=c>{_text(_cluster(entry.data))}</span><span class=w>{_text(_note(entry))}</span>"
        f'<span class="{look}">{age}</span><span class=t>{_text(_time(changed))}</span>'
    )


def _note(entry: _Entry) -> str:
    """Name the first problem, the values that are overdue, and the keys that differ."""
    data = entry.data
    problem = first_problem(dict(data))
    overdue = _first(dict.fromkeys(f"{age.key} overdue" for age in entry.ages if age.is_overdue))
    different = _first(_difference(row) for row in data.get("keys", ()) if row["state"] != IN_SYNC)
    other = "" if problem or different or data.get("in_sync", True) else OTHER
    return "; ".join(filter(None, (problem, overdue, different, other)))


def _difference(row: Mapping[str, Any]) -> str:
    return f"{row['object']} {row['key']} {row['state']}"


def _first(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more


def _details(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield everything that is known of an environment."""
    yield from _problems(data)
    facts = [(name, value) for name, value in _facts(data) if value]
    if facts:
        yield f"<dl>{''.join(f'<dt>{_text(name)}<dd>{_with_code(value)}' for name, value in facts)}</dl>"
    if data.get("keys"):
        yield f"<div class=x><table>{HEAD}{''.join(_keys(data['keys']))}</table></div>"
    if data.get("sources"):
        yield f"<div class=x><table class=q>{SOURCES}{''.join(map(_source, data['sources']))}</table></div>"


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    kinds = (("bad", (*data.get("refusals", ()), *data["errors"])), ("warn", data.get("warnings", ())))
    items = [_problem(problem, look) for look, problems in kinds for problem in problems]
    if items:
        yield f"<ul class=p>{''.join(items)}</ul>"


def _problem(problem: Mapping[str, str], look: str) -> str:
    what = ": ".join(filter(None, (problem["where"], problem["what"])))
    hint = f"<small>{_with_code(problem['hint'])}</small>" if problem["hint"] else ""
    return f"<li class={look}>{_with_code(what)}{hint}"


def _with_code(text: str) -> str:
    """Escape a text with commands in backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "cluster" in data:
        cluster = data["cluster"]
        yield "Cluster", cluster_text(cluster, note="")
        yield "Found in", str(cluster["source"])
        yield "Bound by", cluster["binding"] or "nothing; at a terminal, `bridge adopt` offers to bind it"
    yield "Namespace", data.get("namespace", "")
    yield "Field manager", data.get("manager", "")
    for name, urls in data.get("stores", {}).items():
        yield f"Store {printable(name)}", ", ".join(urls)
    yield "Other objects", "; ".join(f"{name} ({LEFT})" for name in data.get("left", ()))
    if data.get("in_sync") is False and all(row["state"] == IN_SYNC for row in data["keys"]):
        yield "Differences", OTHER


def _keys(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a row for each key, below its object."""
    object_ = None
    for row in rows:
        if row["object"] != object_:
            object_ = row["object"]
            yield f"<tr><th colspan=7 scope=rowgroup>{_text(object_)}"
        yield _key(row)


def _key(row: Mapping[str, Any]) -> str:
    origin, age = row["origin"], _age(row)
    look = "" if row["state"] == IN_SYNC else " class=d"
    other = "" if origin["variables"] in ([], [row["key"]]) else f" ({', '.join(origin['variables'])})"
    cells = (
        row["key"],
        row["state"],
        origin["layer"],
        (" and ".join(origin["places"]) or str(origin["place"])) + other,
        origin["revision"] or "",
        _time(row["changed"] or ""),
    )
    bar = f"<td{f' class={age.look}' if age.look else ''}>{_bar(age)}" if age else "<td>"
    return f"<tr{look}><td>{'<td>'.join(map(_text, cells))}{bar}"


def _source(row: Mapping[str, Any]) -> str:
    cells = (
        row["reference"],
        row["revision"],
        "same" if row["written"] == row["revision"] else row["written"] or "never",
        "known" if row["ordered"] else "none",
        ", ".join(row["unused"]),
    )
    return f"<tr><td>{'<td>'.join(map(_text, cells))}"


def _bar(age: _Age) -> str:
    if age.share is None:
        return _text(age.text)
    # Only an overdue value has a full bar.
    step = STEPS if age.is_overdue else max(1, min(STEPS - 1, round(age.share * STEPS)))
    return f'<b class="b b{step}"></b>{_text(age.text)}'


def _time(text: str) -> str:
    """Format a time of the state (RFC 3339, UTC) to the minute."""
    return re.sub(r"(\d)T(\d\d:\d\d):\d\dZ", r"\1 \2", text)
