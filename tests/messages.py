"""Every message of the program, as the words that it always has, with … for names: read from the source code.

`messages()` follows what reaches the text of a `Problem` or of an error, through variables, constants, parameters and
the results of functions. It knows no types: a name is the function of that name in the same module, or else the only
one in the program.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
UNKNOWN = "…"
MOST = 60  # as many texts as one place may have
DEPTH = 8
TEXTS = {"message", "problem", "reason", "what"}
NO_HINT = -1  # where a hint is among the arguments, if it is one
OWN_HINT = -2


class Message(NamedTuple):
    """One text that the program may print, and where."""

    place: str
    text: str
    has_hint: bool  # the program prints what to do below it


@dataclass(frozen=True, eq=False)
class Function:
    """A function, or a module's own code, with the values that its names may have."""

    path: str
    node: ast.AST
    parameters: tuple[str, ...] = ()

    @cached_property
    def names(self) -> dict[str, list[ast.expr]]:
        found: dict[str, list[ast.expr]] = defaultdict(list)
        for node in ast.walk(self.node):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for name, value in _pairs(target, node.value):
                        found[name].append(value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
                found[node.target.id].append(node.value)
        return found

    @cached_property
    def results(self) -> list[ast.expr]:
        return [node.value for node in ast.walk(self.node) if isinstance(node, ast.Return) and node.value]


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, part)


class Program:
    """The source code, and which argument of which function becomes the text and the hint of a message."""

    def __init__(self) -> None:
        paths = [path for name in ("bridge", "providers") for path in sorted((ROOT / name).rglob("*.py"))]
        trees = {path: ast.parse(path.read_text()) for path in paths if "testing" not in path.parts}
        self.constants: dict[str, list[ast.expr]] = defaultdict(list)
        self.functions: dict[str, list[Function]] = defaultdict(list)
        self.calls: list[tuple[Function, ast.Call]] = []
        self.errors: dict[str, tuple[int, int]] = {
            "Problem": (1, 2),
            "OptionError": (1, 2),
            "Failed": (0, NO_HINT),
            "_Outage": (1, 2),
        }
        self.passing: dict[Function, tuple[int, int]] = {}
        for path, tree in trees.items():
            module = Function(str(path.relative_to(ROOT)), tree)
            for node in tree.body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        for name, value in _pairs(target, node.value):
                            self.constants[name].append(value)
            self._read(tree, module)
        for name in self._errors(trees.values()):
            self.errors.setdefault(name, (0, 1))

    def _read(self, node: ast.AST, inside: Function) -> None:
        for child in ast.iter_child_nodes(node):
            function = inside
            if isinstance(child, ast.FunctionDef):
                names = [one.arg for one in (*child.args.posonlyargs, *child.args.args, *child.args.kwonlyargs)]
                function = Function(inside.path, child, tuple(name for name in names if name not in {"self", "cls"}))
                self.functions[child.name].append(function)
            elif isinstance(child, ast.Call):
                self.calls.append((inside, child))
            self._read(child, function)

    def _function(self, name: str, inside: Function) -> Function | None:
        candidates = self.functions.get(name, [])
        near = [function for function in candidates if function.path == inside.path] or candidates
        if len(near) > 1:
            near = [function for function in near if function in self.passing]
        return near[0] if len(near) == 1 else None

    def _errors(self, trees: Iterator[ast.Module]) -> set[str]:
        """Return the names of errors whose only text is given when they are raised."""
        raised = set()
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and not any(_is_init(one) for one in node.body):
                    bases = {getattr(base, "id", "") for base in node.bases}
                    if any(base.endswith(("Error", "Exception")) or base == "Unreadable" for base in bases):
                        raised.add(node.name)
        return (raised | {"ProviderError", "NotFound", "Denied", "Conflict", "Unavailable", "Unreadable"}) - {
            "BridgeError",
            "ApiError",
        }

    def texts(self, node: ast.expr | None, inside: Function, depth: int = 0) -> list[str]:
        """Return what an expression may be, with … for what is not known."""
        if depth > DEPTH or node is None:
            return [UNKNOWN]
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else [UNKNOWN]
        if pieces := _pieces(node):
            return _joined([self.texts(piece, inside, depth + 1) for piece in pieces])
        nodes, function = self._alternatives(node, inside)
        return self._all(nodes, function, depth + 1) or [UNKNOWN]

    def _alternatives(self, node: ast.expr, inside: Function) -> tuple[list[ast.expr], Function]:
        """Return the expressions that an expression may stand for, and the function that they are in."""
        found: list[ast.expr] = []
        function: Function | None = inside
        match node:
            case ast.IfExp(body=body, orelse=other):
                found = [body, other]
            case ast.BoolOp(values=values) | ast.Subscript(value=ast.Dict(values=values)):
                found = values
            case (
                ast.Subscript(value=ast.Name(id=name))
                | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"))
            ):
                tables = [table for table in self.constants[name] if isinstance(table, ast.Dict)]
                found = [value for table in tables for value in table.values]
            case ast.Name(id=name) if name in inside.names:
                found = inside.names[name]
            case ast.Name(id=name) if name not in inside.parameters:
                found = self.constants.get(name, [])
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                function = self._function(name, inside)
                found = function.results if function else []
        return found, function or inside

    def _all(self, nodes: list[ast.expr], inside: Function, depth: int) -> list[str]:
        return list(dict.fromkeys(text for node in nodes for text in self.texts(node, inside, depth)))[:MOST]

    def messages(self) -> set[Message]:
        """Return every message; a parameter that becomes one makes its function a further place to look at."""
        while True:
            known = dict(self.passing)
            found = {message for call in self.calls for message in self._said(*call)}
            if known == self.passing:
                return found

    def _said(self, inside: Function, call: ast.Call) -> Iterator[Message]:
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        function = self._function(name, inside)
        indices = self.passing.get(function) if function else self.errors.get(name)
        if indices is None:
            return
        call = self._expanded(call, inside)
        names = function.parameters if function else ("where", "what", "hint")[1 - indices[0] :]
        text, hint = (_argument(call, index, names) for index in indices)
        if text is None:
            return
        for part in _parts(text):
            if isinstance(part, ast.Name) and part.id in inside.parameters and part.id not in inside.names:
                self._follow(inside, part.id, hint)
        hints = self.texts(hint, inside) if hint is not None else [""]
        for one in self.texts(text, inside):
            yield Message(f"{inside.path}:{call.lineno}", one, has_hint=all(hints))

    def _expanded(self, call: ast.Call, inside: Function) -> ast.Call:
        """Return a call whose `*function(...)` is replaced with the tuple that the function returns."""
        arguments: list[ast.expr] = []
        for argument in call.args:
            name = getattr(getattr(getattr(argument, "value", None), "func", None), "id", "")
            function = self._function(name, inside)
            tuples = [one.elts for one in function.results if isinstance(one, ast.Tuple)] if function else []
            if isinstance(argument, ast.Starred) and tuples:
                arguments += tuples[0]
            else:
                arguments.append(argument)
        return ast.copy_location(ast.Call(call.func, arguments, call.keywords), call)

    def _follow(self, function: Function, parameter: str, hint: ast.expr | None) -> None:
        second = getattr(hint, "id", None)
        hint_at = function.parameters.index(second) if second in function.parameters else OWN_HINT if hint else NO_HINT
        self.passing.setdefault(function, (function.parameters.index(parameter), hint_at))


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _pieces(node: ast.expr) -> list[ast.expr]:
    """Return the parts of an f-string or of a sum, or an empty list."""
    match node:
        case ast.JoinedStr(values=parts):
            return [_content(part) for part in parts]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [left, right]
    return []


def _parts(text: ast.expr) -> list[ast.expr]:
    """Return what may be a whole message: the text, or a part of it that is called so."""
    if isinstance(text, ast.JoinedStr):
        return [part for part in _pieces(text) if getattr(part, "id", "") in TEXTS]
    return [text]


def _content(part: ast.expr) -> ast.expr:
    return part.value if isinstance(part, ast.FormattedValue) else part


def _joined(parts: list[list[str]]) -> list[str]:
    found = []
    for combination in product(*parts):
        found.append("".join(combination))
        if len(found) == MOST:
            break
    return found


def _argument(call: ast.Call, index: int, names: tuple[str, ...]) -> ast.expr | None:
    if index == OWN_HINT:
        return ast.Constant(UNKNOWN)
    if index == NO_HINT:
        return None
    if index < len(call.args):
        return None if isinstance(call.args[index], ast.Starred) else call.args[index]
    return next((keyword.value for keyword in call.keywords if keyword.arg == names[index]), None)


@cache
def messages() -> frozenset[Message]:
    """Return every message of the program."""
    return frozenset(Program().messages())


@cache
def strings() -> frozenset[str]:
    """Return every text in the source code."""
    trees = [ast.parse(path.read_text()) for name in ("bridge", "providers") for path in (ROOT / name).rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
