"""Which licences permit what: SPDX expressions, and the groups that people ask for."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from itertools import product

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
_JOINING = ("(", ")", "and", "or")

Options = frozenset[frozenset[str]]
"""The ways to use something: of one of them, all licences together must be kept."""


def spdx(name: str | None) -> str | None:
    """An SPDX expression in its own spelling, such as `Apache-2.0` for `apache-2.0`; `None` for anything else."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(name or "")
    except InvalidLicenseExpression:
        return None


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

    AND binds tighter than OR, both in any case; `A WITH E` is one licence. What does not parse is one licence.
    """
    found = re.findall(r"[()]|[^\s()]+(?:\s+with\s+[^\s()]+)?", expression.lower())
    words = [" ".join(word.split()) for word in found]
    licenses = [word for word in words if word not in _JOINING]
    places = iter(range(len(licenses)))
    logic = " ".join(word if word in _JOINING else f"_{next(places)}" for word in words)
    try:
        if len(words) <= _LONGEST:
            return _evaluated(ast.parse(logic, mode="eval").body, licenses)
    except SyntaxError:
        pass
    return frozenset({frozenset({" ".join(words)})})


def _evaluated(node: ast.expr, licenses: list[str]) -> Options:
    match node:
        case ast.Name(id=name):
            return frozenset({frozenset({licenses[int(name[1:])]})})
        case ast.BoolOp(op=ast.Or(), values=values):
            return frozenset().union(*(_evaluated(value, licenses) for value in values))
        case ast.BoolOp(op=ast.And(), values=values):
            ways = product(*(_evaluated(value, licenses) for value in values))
            return frozenset(frozenset().union(*way) for way in ways)
    raise SyntaxError("a licence is missing or has nothing that joins it to the next")


def _strictest(names: frozenset[str]) -> str | None:
    groups = [_GROUP_OF.get(name.partition(" with ")[0].removesuffix("+")) for name in names]
    return None if None in groups else max((name for name in groups if name), key=GROUPS.index)
