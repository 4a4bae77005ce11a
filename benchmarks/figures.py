"""What a benchmark measured, for `compare.py`: `--json FILE` of each script writes its figures by name, with units."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

LESS_IS_BETTER = ("s", "ms", "MiB", "MB")
MORE_IS_BETTER = ("/s",)


_FOUND: dict[str, dict[str, float | str]] = {}


def keep(name: str, value: float, unit: str) -> None:
    """Keep a figure; one in a unit that is not judged is only shown. Raises ValueError when the name is taken."""
    if name in _FOUND:
        raise ValueError(f"two figures are called {name!r}")
    _FOUND[name] = {"value": float(value), "unit": unit}


def write(path: Path | None) -> None:
    """Write what was kept to the file that `--json` named, if it named one."""
    if path:
        document = {"benchmark": Path(sys.argv[0]).stem, "figures": _FOUND}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option `--json FILE`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, for compare.py")
