"""Mutants of a module: each one is a small edit of its text that a test should notice."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NOT_RUN: Final = {"annotation", "returns", "decorator_list", "bases", "type_params"}
"""Fields of a node that only describe it. Decorators are left out because few can be missing without an error."""


@dataclass(frozen=True, order=True)
class Mutant:
    """One edit: in `module`, the bytes from `start` to `end` become `text`."""

    module: str
    line: int
    start: int
    end: int
    text: str
    function: str
    old: str
    new: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names the edit for as long as the lines that it changes stay the same."""
        return self.module, self.function, self.old, self.new

    def apply(self, source: bytes) -> bytes:
        """Return the module with this edit."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def compiles(self, source: bytes) -> bool:
        """True if Python can read the module with this edit."""
        try:
            compile(self.apply(source), self.module, "exec", dont_inherit=True)
        except SyntaxError:
            return False
        return True

    def rank(self, seed: int) -> str:
        """Return its place in the order from which samples are taken; edits elsewhere do not change it."""
        return hashlib.sha256(repr((seed, *self.key)).encode()).hexdigest()


def mutants(module: str, source: bytes) -> list[Mutant]:
    """Return each mutant of a module, in the order of its lines; see `compiles`."""
    return sorted(set(_Finder(module, source).found()))


class _Finder:
    """Walks through one module."""

    def __init__(self, module: str, source: bytes) -> None:
        self._module = module
        self._source = source
        self._tree = ast.parse(source)
        self._conditions = set(_conditions(self._tree))
        self._answers = set(_answers(self._tree))
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        yield from self._walk(self._tree, "")

    def _walk(self, node: ast.AST, function: str) -> Iterator[Mutant]:
        if _is_left_out(node):
            return
        if isinstance(node, ast.expr | ast.stmt):
            for text in self._edits(node):
                yield self._mutant(node, text, function)
        if isinstance(node, ast.JoinedStr):
            return  # before Python 3.12, what is in it has no place in the file
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}" if function else node.name
        for child in _children(node):
            yield from self._walk(child, function)

    def _edits(self, node: ast.expr | ast.stmt) -> Iterator[str]:
        if isinstance(node, ast.stmt):
            yield from _other_statements(node, answers=node in self._answers)
        else:
            yield from _other_expressions(node)
            if node in self._conditions:
                yield _negated(node)

    def _mutant(self, node: ast.expr | ast.stmt, text: str, function: str) -> Mutant:
        last_line = node.end_lineno or node.lineno
        first, last = self._starts[node.lineno - 1], self._starts[last_line]
        start, end = first + node.col_offset, self._starts[last_line - 1] + (node.end_col_offset or 0)
        old = _one_line(self._source[first:last])
        new = _one_line(self._source[first:start] + text.encode() + self._source[end:last])
        return Mutant(self._module, node.lineno, start, end, text, function, old, new)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node that run."""
    for name, value in ast.iter_fields(node):
        if name in _NOT_RUN or (name == "keywords" and isinstance(node, ast.ClassDef)):
            continue
        yield from (child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST))


def _conditions(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the conditions that have no operator of their own."""
    for node in ast.walk(tree):
        tests = [node.test] if isinstance(node, ast.If | ast.IfExp | ast.While) else []
        tests += node.ifs if isinstance(node, ast.comprehension) else []
        for test in tests:
            if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.NamedExpr):
                yield test


def _answers(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that return a computed True or False."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "bool":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and not isinstance(inner.value, ast.Constant):
                    yield inner


def _other_expressions(node: ast.expr) -> Iterator[str]:
    """Yield what an expression may become."""
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                ops = [*node.ops[:number], other(), *node.ops[number + 1 :]]
                yield _code(ast.Compare(node.left, ops, node.comparators))
    elif isinstance(node, ast.BoolOp):
        yield _code(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _code(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield _code(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "''"
    elif isinstance(node, ast.Call) and len(node.args) >= 2:
        yield _code(ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords))


def _other_constants(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int | float):
        yield repr(value + 1)
    elif isinstance(value, str):
        yield "''" if value else "'mutant'"
    elif isinstance(value, bytes):
        yield "b''" if value else "b'mutant'"


def _other_statements(node: ast.stmt, *, answers: bool) -> Iterator[str]:
    """Yield what a statement may become: nothing, or a return without its value."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    stores = any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
    if stores or isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete):
        yield "pass"
    elif isinstance(node, ast.Return) and node.value is not None:
        if answers:
            yield f"return {_negated(node.value)}"
        elif not isinstance(node.value, ast.Constant) or not isinstance(node.value.value, bool | None):
            yield "return None"


def _negated(node: ast.expr) -> str:
    return _code(ast.UnaryOp(ast.Not(), node))


def _code(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _one_line(source: bytes) -> str:
    return " ".join(source.decode(errors="replace").split())


def _is_left_out(node: ast.AST) -> bool:
    """True for docstrings, what only type checkers read, imports, and names with underscores such as `__slots__`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "Literal"
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.startswith("__") for target in node.targets)
    return isinstance(node, ast.Assert | ast.Import | ast.ImportFrom)
