"""What lies beside weights and says under which licence and for which task: a LICENSE file, a model card's top lines.

Only what is written there counts; a licence's text that is not recognised gives none.
"""

from __future__ import annotations

import re
from pathlib import Path

_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md", "COPYING")
_TEXTS = {
    "Apache-2.0": r"apache license version 2\.0, january 2004",
    "MIT": r"permission is hereby granted, free of charge, to any person obtaining a copy of this software and "
    r"associated documentation files \(the .software.\), to deal .*the above copyright notice and this permission",
    "BSD-3-Clause": r"redistribution and use in source and binary forms.* neither the name",
    "BSD-2-Clause": r"redistribution and use in source and binary forms(?!.* neither the name)",
    "ISC": r"permission to use, copy, modify, and(/or)? distribute this software for any purpose with or without fee "
    r"is hereby granted, provided",
    "MPL-2.0": r"mozilla public license,? version 2\.0",
    "Unlicense": r"this is free and unencumbered software released into the public domain",
    "CC0-1.0": r"cc0 1\.0 universal",
    "CC-BY-4.0": r"attribution 4\.0 international",
    "CC-BY-SA-4.0": r"attribution-sharealike 4\.0 international",
    "CC-BY-NC-4.0": r"attribution-noncommercial 4\.0 international",
    "CC-BY-NC-SA-4.0": r"attribution-noncommercial-sharealike 4\.0 international",
}
_MORE_NAMES = """
    AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Artistic-2.0 BSL-1.0 CC-BY-3.0 CC-BY-NC-ND-4.0 CC-BY-ND-4.0 CC-BY-SA-3.0
    GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only
    LGPL-3.0-or-later ODC-By-1.0 OFL-1.1 Zlib
"""
_SPDX = {name.lower(): name for name in (*_TEXTS, *_MORE_NAMES.split())}
_STARTS_WITHIN = 400
"""Characters before a licence's own text: its title, and who holds the copyright."""


def licence_beside(folder: Path) -> tuple[str | None, str]:
    """The SPDX expression of a LICENSE file or a README's front matter in this folder, and where it stands or why not.

    A text of the GPL family names no SPDX expression: only its author can say whether later versions hold too.
    """
    for name in _FILES:
        if (folder / name).is_file():
            found = recognise(_text(folder / name))
            why = "its text is not recognised" if found is None else ""
            return found, f"{name}: {why}" if why else name
    said = front_matter(folder).get("license", [])
    if len(said) == 1 and said[0].lower() in _SPDX:
        return _SPDX[said[0].lower()], "README.md"
    return None, f"README.md says {', '.join(said)}" if said else "no LICENSE file and no model card beside the weights"


def spdx(name: str) -> str | None:
    """A licence's SPDX expression in its own spelling, where the name is one that is known here in any case."""
    return _SPDX.get(name.strip().lower())


def recognise(text: str) -> str | None:
    """The SPDX expression of a licence's text, by its beginning; `None` where it is not one of those known."""
    plain = " ".join(re.sub(r"[*#_=]+", " ", text).lower().split())
    for name, words in _TEXTS.items():
        if re.search(rf"^.{{0,{_STARTS_WITHIN}}}?{words}", plain):
            return name
    return None


def front_matter(folder: Path) -> dict[str, list[str]]:
    """The plain values and lists at the top of README.md's YAML front matter; empty where there is none."""
    found = re.match(r"\A\s*---\s*\n(.*?)\n---\s*(\n|\Z)", _text(folder / "README.md"), re.DOTALL)
    values: dict[str, list[str]] = {}
    key = ""
    for line in found[1].splitlines() if found else ():
        pair = re.match(r"([A-Za-z_]+):\s*(.*?)\s*$", line)
        item = re.match(r"\s*-\s+([^:]+?)\s*$", line)
        if pair:
            key = pair[1]
            values[key] = [value for value in (part.strip(" '\"") for part in pair[2].strip("[]").split(",")) if value]
        elif item and key:
            values[key].append(item[1].strip("'\""))
    return values


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(100_000)
    except OSError:
        return ""
