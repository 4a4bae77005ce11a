"""Which licences permit what: SPDX expressions, and the groups that people ask for."""

from __future__ import annotations

import re
from functools import lru_cache

GROUPS = ("permissive", "copyleft", "non-commercial")

_PERMISSIVE = """
    0BSD AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent
    BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC0-1.0 CDLA-Permissive-1.0
    CDLA-Permissive-2.0 ECL-2.0 HPND ICU ISC MIT MIT-0 MIT-CMU MulanPSL-2.0 NCSA ODC-By-1.0 PDDL-1.0 PostgreSQL
    PSF-2.0 Python-2.0 Unicode-3.0 Unlicense UPL-1.0 W3C WTFPL X11 Zlib
"""
_COPYLEFT = """
    AGPL-3.0 AGPL-3.0-only AGPL-3.0-or-later CC-BY-SA-2.0 CC-BY-SA-2.5 CC-BY-SA-3.0 CC-BY-SA-4.0 CDDL-1.0 CDDL-1.1
    CDLA-Sharing-1.0 CECILL-2.1 CECILL-C CPL-1.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 GFDL-1.3-only GFDL-1.3-or-later
    GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0 GPL-3.0-only GPL-3.0-or-later LGPL-2.0-only LGPL-2.0-or-later
    LGPL-2.1 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0-only LGPL-3.0-or-later LGPLLR MPL-1.1 MPL-2.0 MS-PL
    MS-RL ODbL-1.0 OSL-3.0
"""
_NON_COMMERCIAL = """
    CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-ND-2.0 CC-BY-NC-ND-2.5 CC-BY-NC-ND-3.0
    CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-2.5 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 PolyForm-Noncommercial-1.0.0
"""
_GROUP_OF = {
    name.lower(): group
    for group, names in zip(GROUPS, (_PERMISSIVE, _COPYLEFT, _NON_COMMERCIAL), strict=True)
    for name in names.split()
}

_LONGEST = 60

Options = frozenset[frozenset[str]]
"""The ways to use something: of one of them, all licences together must be kept."""


def group(license: str | None) -> str | None:
    """The group of an SPDX expression, `None` for a licence that is not known here.

    Of `A OR B` the user takes the freer; of `A AND B` the stricter binds. A part that is not known leaves what it
    binds without a group.
    """
    if license is None:
        return None
    groups = [_strictest(option) for option in options(license)]
    return next((name for name in GROUPS if name in groups), None)


def meets(license: str | None, wanted: str) -> bool:
    """Whether a licence is in the group `wanted`, or lets a thing be used as the SPDX expression `wanted` says.

    `MIT` is met by `MIT` and by `MIT OR GPL-3.0-only`, and not by `MIT AND GPL-3.0-only`; `MIT OR ISC` by either.
    """
    if license is None:
        return False
    if wanted.lower() in GROUPS:
        return group(license) == wanted.lower()
    return not options(license).isdisjoint(options(wanted))


@lru_cache(4096)
def options(expression: str) -> Options:
    """The ways to comply with an SPDX expression, its licences in lower case.

    AND binds tighter than OR, both in any case; `A WITH E` is a licence of its own. What does not parse is one licence.
    """
    words = re.findall(r"[()]|[^\s()]+", expression.lower())
    try:
        found, rest = _either(words[:_LONGEST])
    except IndexError:
        found, rest = frozenset(), words
    return found if found and not rest and len(words) <= _LONGEST else frozenset({frozenset({" ".join(words)})})


def _either(words: list[str]) -> tuple[Options, list[str]]:
    found, rest = _together(words)
    while rest[:1] == ["or"]:
        more, rest = _together(rest[1:])
        found |= more
    return found, rest


def _together(words: list[str]) -> tuple[Options, list[str]]:
    found, rest = _one(words)
    while rest[:1] == ["and"]:
        more, rest = _one(rest[1:])
        found = frozenset(left | right for left in found for right in more)
    return found, rest


def _one(words: list[str]) -> tuple[Options, list[str]]:
    """A licence or what stands in brackets; raises IndexError where the words end too soon or make no sense."""
    if words[0] == "(":
        found, rest = _either(words[1:])
        if rest[0] != ")":
            raise IndexError
        return found, rest[1:]
    if words[0] in (")", "and", "or", "with"):
        raise IndexError
    if words[1:2] == ["with"]:
        return frozenset({frozenset({f"{words[0]} with {words[2]}"})}), words[3:]
    return frozenset({frozenset({words[0]})}), words[1:]


def _strictest(names: frozenset[str]) -> str | None:
    groups = [_GROUP_OF.get(name.partition(" with ")[0].removesuffix("+")) for name in names]
    return None if None in groups else max((name for name in groups if name), key=GROUPS.index)
