"""What can be said of a plugin without running any of it: its hooks, checkpoints and prefixes, and what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from tlzoo.errors import TlzooError
from tlzoo.io.entry_points import normal
from tlzoo.plugins.authoring import source
from tlzoo.plugins.authoring.description import Description
from tlzoo.plugins.discovery import CONFORMANCE_GROUP, FIRST_PARTY, GROUP, PREFIX_GROUP, REGISTRY_GROUP
from tlzoo.plugins.versions import built_for_another, on_tlzoo
from tlzoo.version import __version__

NAME = r"[a-z0-9][a-z0-9_-]*"
HEAVY = ("torch", "transformers", "timm")


@dataclass(frozen=True)
class Check:
    """One thing looked at in a stage (static, import, conformance): `passed`, or a `message` that says what to mend."""

    stage: str
    name: str
    passed: bool
    message: str = ""


def hooks(plugin: Description, name: str) -> list[str] | None:
    """The names of its hooks, sorted; `None` where they cannot be seen in the source."""
    found = source.hooks(_module(plugin, name), plugin.roots)
    return None if found is None else sorted({hook.name for hook in found})


def checkpoints(plugin: Description, name: str) -> list[str]:
    """The ids in its registry file; none where it brings no file. Raises LookupError, TlzooError."""
    values = plugin.values(REGISTRY_GROUP, name)
    if not values:
        return []
    from tlzoo.registry import load
    from tlzoo.registry.catalogue import ids_of
    from tlzoo.registry.files import Origin

    path = _resource(values[0], plugin.roots)
    if plugin.roots is None:  # by the index, which other look-ups need as well
        ids = ids_of(Origin(f"plugin {name!r}", "plugin", path))
    else:
        ids = [checkpoint.id for checkpoint in load(path)]
    foreign = next((id for id in ids if not id.startswith(f"{name}/")), None)
    if foreign is not None:
        raise LookupError(f"its registry's entry {foreign!r} does not start with {name + '/'!r}")
    return ids


def prefixes(plugin: Description, name: str) -> list[str]:
    """What else than the plugin's own name the ids that it looks up may start with, sorted."""
    return sorted(prefix for prefix, owner in plugin.entries.get(PREFIX_GROUP, ()) if owner == name)


def faults(plugin: Description, name: str) -> Iterator[str]:
    """What keeps it from working, the first the gravest; the requirement on tlzoo apart."""
    for look in (_name, _entry_point, _hooks, _registry):
        message = told(partial(look, plugin, name))
        if message:
            yield message


def examine(plugin: Description, name: str) -> list[Check]:
    """Every static check, in order."""
    return [
        Check("static", what, not message, message)
        for what, look in _CHECKS.items()
        for message in [told(partial(look, plugin, name))]
    ]


def told(look: Callable[[], str | None]) -> str:
    """What a look at a plugin says, or why it could not be done, in one line; empty where all is well."""
    try:
        return look() or ""
    except TlzooError as error:
        return error.message
    except (LookupError, SyntaxError) as cause:
        return " ".join(str(cause.args[0] if cause.args else cause).split())


def _module(plugin: Description, name: str) -> str:
    values = plugin.values(GROUP, name)
    if not values:
        raise LookupError(f"no entry point {name!r} in the group {GROUP!r}")
    return values[0]


def _metadata(plugin: Description, name: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        Version(plugin.version)
    except InvalidVersion:
        return f"the version {plugin.version!r} is none; write it in pyproject.toml as 0.1.0"
    return ""


def _name(plugin: Description, name: str) -> str:
    if not re.fullmatch(NAME, name):
        return f"the name {name!r} cannot start an id: use lower-case letters, digits, '_' and '-'"
    if name in FIRST_PARTY and normal(plugin.distribution) != FIRST_PARTY[name]:
        return f"the name {name!r} is taken by {FIRST_PARTY[name]}: choose another"
    return ""


def _license(plugin: Description, name: str) -> str:
    if not plugin.license:
        return 'no licence is stated; add license = "Apache-2.0" (or yours) to [project]'
    return "" if plugin.license_files else "no licence file is shipped; add LICENSE, and license-files to [project]"


def _requirement(plugin: Description, name: str) -> str:
    if not on_tlzoo(plugin.requires):
        return "it does not say for which tlzoo it is built; add tlzoo>=0.1,<0.2 to its dependencies"
    wanted = built_for_another(plugin.requires)
    return f"it is built for {wanted}, and this is tlzoo {__version__}" if wanted else ""


def _entry_point(plugin: Description, name: str) -> str:
    values = plugin.values(GROUP, name)
    if len(values) > 1:
        return f"the entry point {name!r} is declared {len(values)} times in {GROUP!r}; leave one"
    if not re.fullmatch(r"\s*\w+(\.\w+)*\s*(:\s*\w+(\.\w+)*\s*)?", _module(plugin, name)):
        return f"the entry point's value {_module(plugin, name)!r} is not 'package.module'"
    source.locate(_module(plugin, name).partition(":")[0].strip(), plugin.roots)
    return ""


def _hooks(plugin: Description, name: str) -> str:
    known = source.specifications()
    for hook in source.hooks(_module(plugin, name), plugin.roots) or ():
        where = f"{hook.path.name}, line {hook.line}: hook {hook.name!r}"
        if hook.name not in known and not hook.optional:
            near = difflib.get_close_matches(hook.name, known, 1)
            return f"{where} is none of tlzoo's" + (f"; did you mean {near[0]!r}?" if near else f": {', '.join(known)}")
        foreign = [argument for argument in hook.arguments if argument not in known.get(hook.name, hook.arguments)]
        if foreign:
            return f"{where} takes {foreign[0]!r}, which it is not given; it is given: {', '.join(known[hook.name])}"
    return ""


def _light(plugin: Description, name: str) -> str:
    found = source.heavy_imports(_module(plugin, name), HEAVY, plugin.roots)
    return f"importing it imports {found[0]}; move that into the hook that needs it" if found else ""


def _imports(plugin: Description, name: str) -> str:
    package = re.split(r"[.:]", _module(plugin, name))[0].strip()
    found = source.absent_imports(package, "tlzoo", plugin.roots)
    return f"this tlzoo has no {found[0]}; what plugins import is in tlzoo.plugin" if found else ""


def _registry(plugin: Description, name: str) -> str:
    values = plugin.values(REGISTRY_GROUP, name)
    if len(values) > 1:
        return f"the entry point {name!r} is declared {len(values)} times in {REGISTRY_GROUP!r}; leave one"
    checkpoints(plugin, name)
    return ""


def _own_files(plugin: Description, name: str) -> str:
    """The files that its registry names in its own package are there and are those pinned."""
    values = plugin.values(REGISTRY_GROUP, name)
    if not values:
        return ""
    from tlzoo.registry import load
    from tlzoo.registry.schema import PackageSource
    from tlzoo.weights.cache import Pinned, find_fault

    for checkpoint in load(_resource(values[0], plugin.roots)):
        if isinstance(checkpoint.source, PackageSource):
            folder = source.package_folder(checkpoint.source.package, plugin.roots)
            files = [Pinned(file.path, file.sha256, file.size) for file in checkpoint.source.files]
            if fault := find_fault(folder, files):
                return f"{checkpoint.id}: {fault}; pin what is shipped"
    return ""


def _suite(plugin: Description, name: str) -> str:
    values = plugin.values(CONFORMANCE_GROUP, name)
    if not values:
        return ""  # the generic one is run
    source.locate(values[0].partition(":")[0].strip(), plugin.roots)
    return ""


_CHECKS: dict[str, Callable[[Description, str], str]] = {
    "metadata": _metadata,
    "name": _name,
    "licence": _license,
    "requirement": _requirement,
    "entry point": _entry_point,
    "hooks": _hooks,
    "light import": _light,
    "imports of tlzoo": _imports,
    "registry": _registry,
    "shipped files": _own_files,
    "suite": _suite,
}


def _resource(value: str, roots: tuple[str, ...] | None) -> Path:
    """The file that `package:file` names. Raises LookupError."""
    package, _, file = (part.strip() for part in value.partition(":"))
    inside = PurePosixPath(file)
    if not file or inside.is_absolute() or ".." in inside.parts:
        raise LookupError(f"the entry point {value!r} in {REGISTRY_GROUP!r} is not 'package:registry.json'")
    path = source.package_folder(package, roots) / inside
    if not path.is_file():
        raise LookupError(f"there is no file {file!r} in the package {package!r}")
    return path
