"""What a plugin's source says of it, read and never run: where a module lies, its hooks, what it imports at once."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

from tlzoo.plugins import hookspecs

_HOMES = ("tlzoo", "tlzoo.plugin", "tlzoo.plugins.hookspecs")
"""The modules that have `hookimpl`."""
MARKERS = {f"{home}.hookimpl" for home in _HOMES}
_COMPILED = (*EXTENSION_SUFFIXES, ".pyc")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Hook:
    """An implementation of a hook: what it takes (without `self`) and where it stands; an `optional` may be unknown."""

    name: str
    arguments: tuple[str, ...]
    path: Path
    line: int
    optional: bool = False


@dataclass(frozen=True)
class Unit:
    """One parsed module."""

    name: str
    path: Path
    tree: ast.Module


@cache
def specifications() -> Mapping[str, tuple[str, ...]]:
    """Every hook's name with its arguments' names."""
    return {
        name: tuple(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if hasattr(function, "tlzoo_spec")
    }


def locate(module: str, roots: Sequence[str] | None = None) -> Path:
    """The file of a module, or the folder of a package without `__init__.py`; no parent of it is imported.

    It is looked for in `roots`, else where Python would. Raises LookupError where there is none.
    """
    top, *below = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if roots is None else PathFinder.find_spec(top, list(roots))
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise LookupError(f"there is no module {top!r}")
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    path = Path(spec.origin) if spec.origin and spec.has_location else next(iter(folders), Path())
    for position, part in enumerate(below):
        found = _below(folders, part)
        if found is None:
            raise LookupError(f"there is no module {'.'.join([top, *below[: position + 1]])!r}")
        path, folders = found, [found.parent if found.name == "__init__.py" else found]
    return path


def package_folder(package: str, roots: Sequence[str] | None = None) -> Path:
    """The folder of a package. Raises LookupError where there is none."""
    path = locate(package, roots)
    if path.name != "__init__.py" and not path.is_dir():
        raise LookupError(f"{package!r} is a module, not a package")
    return path if path.is_dir() else path.parent


def _below(folders: Sequence[Path], part: str) -> Path | None:
    for folder in folders:
        for candidate in (folder / part / "__init__.py", folder / f"{part}.py"):
            if candidate.is_file():
                return candidate
        compiled = next((folder / (part + end) for end in _COMPILED if (folder / (part + end)).is_file()), None)
        if compiled or (folder / part).is_dir():
            return compiled or folder / part
    return None


def read(module: str, roots: Sequence[str] | None = None) -> Unit | None:
    """The parsed module, or `None` where it has no source. Raises LookupError, and SyntaxError naming the file."""
    path = locate(module, roots)
    if path.is_dir() or path.suffix != ".py":
        return None
    try:
        return Unit(module, path, ast.parse(path.read_bytes(), str(path)))
    except SyntaxError as cause:
        raise SyntaxError(f"{path.name}, line {cause.lineno}: {cause.msg}") from cause
    except (ValueError, RecursionError, MemoryError, OSError) as cause:
        raise SyntaxError(f"{path.name}: {cause}") from cause


def hooks(value: str, roots: Sequence[str] | None = None) -> list[Hook] | None:
    """The hooks that an entry point's `module` or `module:object` brings, or `None` where only running it would tell.

    Raises LookupError where there is no such module, SyntaxError where it is no Python.
    """
    module, _, attribute = (part.strip() for part in value.partition(":"))
    unit = read(module, roots)
    if unit is None:
        return None
    if not attribute:
        found = _of_module(unit, roots, frozenset())
        return None if found is None else list(found.values())
    return _of_object(unit, attribute)


def heavy_imports(value: str, heavy: Sequence[str], roots: Sequence[str] | None = None) -> list[str]:
    """`torch, at tlzoo_x/plugin.py line 3` for each of `heavy` that importing the entry point's module would import.

    Modules of the same package that it imports at once are followed; what stands in functions or under
    `TYPE_CHECKING` is not.
    """
    module = value.partition(":")[0].strip()
    top = module.partition(".")[0]
    parts = module.split(".")
    waiting = deque(".".join(parts[: end + 1]) for end in range(len(parts)))
    seen, found = set(waiting), []
    while waiting:
        try:
            unit = read(waiting.popleft(), roots)
        except (LookupError, SyntaxError):
            continue
        for name, line in _imported(unit) if unit else ():
            if name.partition(".")[0] in heavy and unit:
                found.append(f"{name.partition('.')[0]}, at {unit.path.parent.name}/{unit.path.name} line {line}")
            elif name.partition(".")[0] == top and name not in seen:
                seen.add(name)
                waiting.append(name)
    return list(dict.fromkeys(found))


def absent_imports(package: str, of: str, roots: Sequence[str] | None = None) -> list[str]:
    """`of.parts, at tlzoo_x/plugin.py line 3` for each module of `of` that the package names and that is not there.

    Every module below the package's folder is looked at, and every import in it that may run, those in functions too.
    """
    place = locate(package, roots)
    whole = place.is_dir() or place.name == "__init__.py"
    found = []
    for file in sorted(package_folder(package, roots).rglob("*.py")) if whole else [place]:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
            continue
        for_types = {id(inner) for node in ast.walk(tree) if _is_for_types(node) for inner in _inside(node)}
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            gone = [name for name in names if name.startswith(f"{of}.") and not _is_there(name)]
            found += [f"{name}, at {file.parent.name}/{file.name} line {node.lineno}" for name in gone]
    return found


def _is_there(module: str) -> bool:
    try:
        return bool(locate(module))
    except LookupError:
        return False


def _of_module(unit: Unit, roots: Sequence[str] | None, above: frozenset[str]) -> dict[str, Hook] | None:
    """Name in the module's namespace → hook; those imported from the same package too."""
    markers, found = _markers(unit), dict[str, Hook]()
    functions = {node.name: node for node in _statements(unit.tree.body) if isinstance(node, _Function)}
    for node in _statements(unit.tree.body):
        if isinstance(node, _Function) and (hook := _hook(node, markers, unit)):
            found[node.name] = hook
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            wrapped = [argument.id for argument in node.value.args if isinstance(argument, ast.Name)]
            if _dotted(node.value.func) in markers and wrapped and wrapped[0] in functions:
                for target in (target.id for target in node.targets if isinstance(target, ast.Name)):
                    found[target] = Hook(target, _arguments(functions[wrapped[0]]), unit.path, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(unit, node)
            if source.partition(".")[0] != unit.name.partition(".")[0] or source in above or source == unit.name:
                continue
            try:
                other = read(source, roots)
            except LookupError:
                continue
            theirs = _of_module(other, roots, above | {unit.name}) if other else None
            names = {alias.name: alias.asname or alias.name for alias in node.names}
            if theirs is None and "*" in names:
                return None
            for name, hook in (theirs or {}).items():
                if name in names or "*" in names:
                    found[names.get(name, name)] = hook
    return found


def _of_object(unit: Unit, attribute: str) -> list[Hook] | None:
    """The hooks of a class, or of an instance of one, that stands in the module and has no bases."""
    classes = {node.name: node for node in _statements(unit.tree.body) if isinstance(node, ast.ClassDef)}
    kind = attribute
    for node in _statements(unit.tree.body):
        made = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if made else []  # type: ignore[attr-defined]
        if any(_dotted(target) == attribute for target in targets) and isinstance(made, ast.Call):
            kind = _dotted(made.func)
    if kind not in classes or classes[kind].bases or classes[kind].decorator_list:
        return None
    markers = _markers(unit)
    methods = (node for node in _statements(classes[kind].body) if isinstance(node, _Function))
    return [hook for node in methods if (hook := _hook(node, markers, unit, method=True))]


def _hook(node: _Function, markers: set[str], unit: Unit, *, method: bool = False) -> Hook | None:
    names = {_dotted(decorator) for decorator in node.decorator_list}
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        if _dotted(call.func if call else decorator) in markers:
            given = {word.arg: word.value for word in call.keywords} if call else {}
            name, optional = given.get("specname"), given.get("optionalhook")
            arguments = _arguments(node)[1 if method and "staticmethod" not in names else 0 :]
            return Hook(
                name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else node.name,
                arguments,
                unit.path,
                node.lineno,
                isinstance(optional, ast.Constant) and bool(optional.value),
            )
    return None


def _arguments(node: _Function) -> tuple[str, ...]:
    """The arguments that the caller must give; those with defaults are never given."""
    positional = [*node.args.posonlyargs, *node.args.args]
    required = positional[: len(positional) - len(node.args.defaults)]
    named = [word for word, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None]
    return tuple(argument.arg for argument in (*required, *named))


def _markers(unit: Unit) -> set[str]:
    """How this module calls `tlzoo.hookimpl`."""
    found = set(MARKERS)
    for node in _statements(unit.tree.body):
        if isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                known, full = alias.asname or alias.name, f"{node.module}.{alias.name}"
                found |= {known} if full in MARKERS else set()
                found |= {f"{known}.hookimpl"} if full in _HOMES else set()
        elif isinstance(node, ast.Import):
            found |= {f"{alias.asname}.hookimpl" for alias in node.names if alias.asname and alias.name in _HOMES}
        elif isinstance(node, ast.Assign) and (_dotted(node.value) in found or _makes_marker(node.value)):
            found |= {_dotted(target) for target in node.targets}
    return found


def _makes_marker(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and _dotted(value.func).rpartition(".")[2] == "HookimplMarker"
        and [argument.value for argument in value.args if isinstance(argument, ast.Constant)] == ["tlzoo"]
    )


def _imported(unit: Unit) -> Iterator[tuple[str, int]]:
    """Every module that importing this one would import, with its line."""
    for node in _statements(unit.tree.body, classes=True):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(unit, node)
            yield source, node.lineno
            yield from ((f"{source}.{alias.name}", node.lineno) for alias in node.names if alias.name != "*")


def _absolute(unit: Unit, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = unit.name if unit.path.name == "__init__.py" else unit.name.rpartition(".")[0]
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _statements(body: Sequence[ast.stmt], *, classes: bool = False) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, but those for type checkers only."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and _is_for_types(node):
            yield from _statements(node.orelse, classes=classes)
        elif isinstance(node, ast.If | ast.Try | ast.TryStar | ast.With | ast.For | ast.While) or (
            classes and isinstance(node, ast.ClassDef)
        ):
            for block in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, block, []), classes=classes)
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body, classes=classes)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and _dotted(node.test).rpartition(".")[2] == "TYPE_CHECKING"


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of the body of an `if`."""
    for statement in node.body if isinstance(node, ast.If) else ():
        yield from ast.walk(statement)


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of names, else something that is none."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"
