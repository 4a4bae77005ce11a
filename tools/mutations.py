"""Defects for tools/mutate.py: what can be wrong in a function, and a draw among all functions of the packages."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OTHER: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
}  # fmt: skip
SILENT = {
    *("say", "log", "debug", "warn", "flush", "setLevel", "simplefilter", "filterwarnings", "update_status"),
    "import_module",
}
"""Calls whose loss no test should have to notice: what is said in passing or done early, and hints to other libraries.
"""
UNSWAPPED = {"isinstance", "issubclass", "max", "min", "zip", "hasattr", "getattr", "next", "re", "os"}
"""Calls whose arguments nobody confuses, or may be in any order."""
SYMMETRIC = {
    *("logaddexp", "mse_loss", "maximum", "minimum", "hypot", "gcd", "isclose", "allclose", "array_equal", "equal"),
    *("union", "samefile"),
}
"""Functions of libraries that answer the same with their first two arguments in the other order."""
LARGEST = 64
"""Numbers above are sizes of blocks and limits that are measured in bytes: one more or less changes nothing."""


@dataclass(frozen=True)
class Defect:
    """One wrong expression or statement in place of a right one, at byte offsets of a file's lines."""

    file: Path
    function: str
    kind: str
    line: int
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        def short(code: str) -> str:
            line = " ".join(code.split())
            return line if len(line) <= 70 else f"{line[:67]}..."

        return f"{self.file}:{self.line} {self.function}: {self.kind}: {short(self.before)} -> {short(self.after)}"

    def applied(self, text: str) -> str:
        """The file's text with the defect in it."""
        raw = text.encode()
        return (raw[: self.start] + self.after.encode() + raw[self.end :]).decode()


def draw(root: Path, files: list[Path], seed: int, count: int, room: str = "") -> list[Defect]:
    """As many defects, each in a function of its own: functions, kinds and places are drawn by `seed`."""
    rng = random.Random(seed)
    choices: dict[tuple[Path, str, int], list[Defect]] = {}
    for file in files:
        package = next((part for part in file.parts if part.startswith("tlzoo")), None)
        if (
            file.suffix != ".py"
            or package is None
            or file.parts[0] not in ("tlzoo", "plugins")
            or "tests" in file.parts
        ):
            continue
        if room and room not in file.parts[:-1]:
            continue
        for function, found in _of_file(file, (root / file).read_text(encoding="utf-8")):
            if found:
                choices[(file, function.name, function.lineno)] = found
    drawn = []
    for key in rng.sample(sorted(choices), min(count, len(choices))):
        kinds = sorted({defect.kind for defect in choices[key]})
        kind = rng.choice(kinds)
        drawn.append(rng.choice([defect for defect in choices[key] if defect.kind == kind]))
    return drawn


def _of_file(file: Path, text: str) -> Iterator[tuple[ast.FunctionDef, list[Defect]]]:
    """Each function of a file that does something, with all defects that it could have."""
    lines = [0]
    for line in text.encode().splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def defect(function: str, kind: str, old: ast.expr | ast.stmt, new: str) -> Defect:
        start = lines[old.lineno - 1] + old.col_offset
        end = lines[(old.end_lineno or 0) - 1] + (old.end_col_offset or 0)
        return Defect(file, function, kind, old.lineno, start, end, text.encode()[start:end].decode(), new)

    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef) or _declares_only(function):
            continue
        found = [defect(function.name, kind, old, new) for kind, old, new in _candidates(function)]
        yield function, [each for each in found if each.before != each.after]


def _declares_only(function: ast.FunctionDef) -> bool:
    """Whether a function has no code to be wrong, or is never called by itself."""
    names = {ast.unparse(mark).rpartition(".")[2] for mark in function.decorator_list}
    if names & {"overload", "hookspec", "abstractmethod"} or function.name in ("__repr__", "__str__"):
        return True
    return all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in function.body)


def _candidates(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    """Kind, what is replaced and by what."""
    for node in _code(function):
        if isinstance(node, ast.expr):
            yield from _in_expression(node)
        elif isinstance(node, ast.stmt):
            yield from _in_statement(node)


def _code(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function's body, without annotations, nested functions' signatures, messages and errors raised."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop(0)
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        yield node
        if isinstance(node, ast.AnnAssign):
            left += [node.value] if node.value else []
        else:
            left += ast.iter_child_nodes(node)


def _in_expression(node: ast.expr) -> Iterator[tuple[str, ast.expr, str]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in FLIPPED:
        new = copy.deepcopy(node)
        new.ops = [FLIPPED[type(node.ops[0])]()]
        yield "comparison flipped", node, f"({ast.unparse(new)})"
        swapped: dict[type[ast.cmpop], type[ast.cmpop]] = {
            ast.Lt: ast.LtE,
            ast.LtE: ast.Lt,
            ast.Gt: ast.GtE,
            ast.GtE: ast.Gt,
        }
        if type(node.ops[0]) in swapped and isinstance(node.comparators[0], ast.Constant):
            new = copy.deepcopy(node)
            new.ops = [swapped[type(node.ops[0])]()]
            yield "off by one", node, f"({ast.unparse(new)})"
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER and not _textual(node):
        new_sum = copy.deepcopy(node)
        new_sum.op = OTHER[type(node.op)]()
        yield "other operator", node, f"({ast.unparse(new_sum)})"
    if isinstance(node, ast.BoolOp):
        other = copy.deepcopy(node)
        other.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield "and for or", node, f"({ast.unparse(other)})"
    if isinstance(node, ast.IfExp):
        yield "condition negated", node.test, f"(not ({ast.unparse(node.test)}))"
    if isinstance(node, ast.Constant) and type(node.value) is int and 0 < node.value <= LARGEST:
        yield "off by one", node, str(node.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "true for false", node, str(not node.value)
    if isinstance(node, ast.Call):
        plain = [given for given in node.args if not isinstance(given, ast.Starred)]
        if len(plain) >= 2 and len(plain) == len(node.args) and ast.dump(plain[0]) != ast.dump(plain[1]):
            call = copy.deepcopy(node)
            call.args[0], call.args[1] = call.args[1], call.args[0]
            called = ast.unparse(node.func)
            if called.partition(".")[0] not in UNSWAPPED and called.rpartition(".")[2] not in SYMMETRIC:
                yield "arguments swapped", node, ast.unparse(call)


def _textual(node: ast.BinOp) -> bool:
    """Whether an operator joins texts or paths, where another one would be no defect that anybody makes."""
    parts = (node.left, node.right)
    return any(isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
               for part in parts) or isinstance(node.op, ast.Div)  # fmt: skip


def _in_statement(node: ast.stmt) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.If | ast.While) and not _about_types(node.test):
        yield "condition negated", node.test, f"(not ({ast.unparse(node.test)}))"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = ast.unparse(node.value.func).rpartition(".")[2]
        if called not in SILENT:
            yield "statement dropped", node, "pass"
    if isinstance(node, ast.AugAssign):
        yield "statement dropped", node, "pass"
    if isinstance(node, ast.Return) and node.value is not None and not _nothing(node.value):
        yield "other value returned", node.value, _instead(node.value)


def _instead(value: ast.expr) -> str:
    """A value of the same type where the code tells the type, so that the defect is no crash."""
    if isinstance(value, ast.Compare | ast.BoolOp) or (
        isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
    ):
        return f"not ({ast.unparse(value)})"
    if isinstance(value, ast.List | ast.ListComp):
        return "[]"
    if isinstance(value, ast.Dict | ast.DictComp):
        return "{}"
    return "None"


def _about_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in ast.unparse(test)


def _nothing(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (None, False)
