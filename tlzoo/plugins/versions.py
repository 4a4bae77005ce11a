"""For which tlzoo a plugin is built: its own requirement on `tlzoo`, held against the version that runs."""

from __future__ import annotations

from collections.abc import Iterable

from tlzoo.version import __version__


def unmet_requirement(requires: Iterable[str] | None) -> str | None:
    """The first requirement on tlzoo (`Requires-Dist` lines) that excludes the running version, or `None`.

    Extras such as `tlzoo[train]` count; a line whose marker is of another environment, or that cannot be read, does
    not.
    """
    for requirement, specifier in tlzoo_requirements(requires):
        from packaging.specifiers import SpecifierSet

        if not SpecifierSet(specifier).contains(__version__, prereleases=True):
            return requirement
    return None


def tlzoo_requirements(requires: Iterable[str] | None) -> list[tuple[str, str]]:
    """Those lines that are about tlzoo itself, each with its version specifier."""
    lines = [line for line in requires or () if line.lower().lstrip().startswith("tlzoo")]
    if not lines:
        return []
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.name.lower() == "tlzoo" and (requirement.marker is None or requirement.marker.evaluate()):
            found.append((line, str(requirement.specifier)))
    return found
