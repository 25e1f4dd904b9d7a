"""YAML texts in many layouts, with comments wherever they may stand, drawn by hypothesis."""

from hypothesis import strategies as st

COMMENTS = ("# sops:x", "#sops:x", "# sops:x too", "# other", "#")
VALUES = (
    *(" one", " two", " 'three'", ' "four"', " fi ve", " '# six'", " seven#"),
    *(" |\v{i}eight", " >\v{i}nine # no\v\v{i}more", " |- # sops:x\v{i}ten", " |+\v{i}eleven\v\v"),
    *(" plain\v{i}folded", ' "quoted\v{i}text"', " [p, q]", " {{p: v, q: w}}", " {{}}", " [p, # sops:x\v{i}q, [r]]"),
    *(" [\v{i}# sops:x\v{i}p,\v{i}q # other\v{i}]", " {{p: v,\v{i}# sops:x\v{i}q: w}}"),
)
"""Values, with line ends between which no comments are put."""


def values(column: int, depth: int, *, in_list: bool = False) -> st.SearchStrategy[str]:
    """Draw a value, from behind its key's colon or its dash."""
    found: st.SearchStrategy[str] = st.sampled_from([text.format(i=" " * (column + 2)) for text in VALUES])
    if depth > 2:
        return found
    if in_list:
        inside = mappings(column + 2, depth + 1) | lists(column + 2, depth + 1)
        return found | inside.map(lambda text: " " + text.lstrip(" "))
    more = [mappings(column + 2, depth + 1), mappings(column + 4, depth + 1)] * 2
    more += [lists(column, depth + 1), lists(column + 2, depth + 1)]
    return st.one_of(found, *(inside.map(lambda text: "\n" + text) for inside in more))


def mappings(column: int, depth: int = 0) -> st.SearchStrategy[str]:
    """Draw the lines of a mapping."""
    entries = st.lists(values(column, depth), min_size=1, max_size=3)
    return entries.map(
        lambda found: "\n".join(f"{' ' * column}{key}:{value}" for key, value in zip("abc", found, strict=False))
    )


def lists(column: int, depth: int) -> st.SearchStrategy[str]:
    """Draw the lines of a list."""
    items = st.lists(values(column, depth, in_list=True), min_size=1, max_size=3)
    return items.map(lambda found: "\n".join(f"{' ' * column}-{item}" for item in found))


@st.composite
def documents(draw: st.DrawFn, *, is_tidy: bool) -> str:
    """Draw a document with comments between its lines and behind them, and empty lines."""
    text = draw(mappings(0))
    if draw(st.booleans()):
        text = f"base: &base\n  # sops:x\n  a: one\n  b: two\n{text}\nagain: *base"
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        column = len(line) - len(line.lstrip(" "))
        is_bare = is_tidy and (line.startswith("-", column) or not line)
        for _ in range(0 if is_bare else draw(st.sampled_from([0, 0, 0, 1, 2]))):
            near = [column, column, column + 2, max(column - 2, 0), 0]
            place = " " * (column if is_tidy else draw(st.sampled_from(near)))
            lines.append(draw(st.sampled_from(["", *(place + comment for comment in COMMENTS)])))
        is_bare = is_bare or "\v" in line or draw(st.integers(0, 4)) > 0
        lines.append(line if is_bare else f"{line} {draw(st.sampled_from(COMMENTS))}")
    return "\n".join(lines).replace("\v", "\n") + "\n"


def texts(*, is_tidy: bool) -> st.SearchStrategy[str]:
    """Draw a file. Where it is tidy, comments stand above keys and behind values, and none in lists."""
    begins = st.sampled_from(["", "---\n", "# sops:x\n---\n", "# sops:x\n\n"])
    found = st.lists(documents(is_tidy=is_tidy), min_size=1, max_size=2)
    return st.tuples(begins, found.map("---\n".join)).map("".join)
