"""Two runs of one benchmark beside each other; fails where a figure got worse by more than a factor.

    uv run python benchmarks/probe.py --only vision --json before.json      # at one commit
    uv run python benchmarks/probe.py --only vision --json after.json       # at another, on the same quiet machine
    uv run python benchmarks/compare.py before.json after.json --max 1.1

Seconds and memory are worse when they grow, rates when they fall; accuracies and other figures are shown only. A figure
of the first run that the second lacks fails, as nobody knows what became of it. The exit code is 1 where one got worse,
2 where the files cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any, NoReturn

from figures import LESS_IS_BETTER, MORE_IS_BETTER


def refuse(line: str) -> NoReturn:
    """End the program with 2: nothing was compared."""
    print(line, file=sys.stderr)
    raise SystemExit(2)


def read(path: Path) -> dict[str, Any]:
    """What a benchmark's `--json` wrote. Ends the program when it is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        refuse(f"{path} cannot be read: {cause.strerror}.")
    except (ValueError, RecursionError):
        refuse(f"{path} is not JSON.")
    named = document.get("figures") if isinstance(document, dict) else None
    if not isinstance(named, dict) or not isinstance(document.get("benchmark"), str):
        refuse(f"{path} is not what a benchmark's --json writes: it needs `benchmark` and `figures`.")
    if not named:
        refuse(f"{path} has no figures.")
    for name, each in named.items():
        if not (isinstance(each, dict) and _is_number(each.get("value")) and isinstance(each.get("unit"), str)):
            refuse(f"{path} has no number with a unit for the figure {name!r}.")
    figures = {name: (float(each["value"]), each["unit"]) for name, each in named.items()}
    return {"benchmark": document["benchmark"], "figures": figures}


def _is_number(value: object) -> bool:
    """Whether this is a number that a float can be; JSON has whole ones of any length."""
    return isinstance(value, float) or (type(value) is int and abs(value) <= sys.float_info.max)


def times(text: str) -> float:
    """A factor, for `--max`; a comparison with NaN or infinity would let everything pass."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


def factor(before: float, after: float, unit: str) -> float | None:
    """How many times worse `after` is; none for a unit that is not judged."""
    if unit not in LESS_IS_BETTER + MORE_IS_BETTER:
        return None
    worse, better = (after, before) if unit in LESS_IS_BETTER else (before, after)
    if not (math.isfinite(worse) and math.isfinite(better)):
        return math.inf
    return worse / better if better > 0 else (math.inf if worse > 0 else 1.0)


def compare(before: dict[str, Any], after: dict[str, Any], most: float) -> list[str]:
    """Print every figure; the names of those that got worse by more than `most`, or are gone."""
    if before["benchmark"] != after["benchmark"]:
        refuse(f"{before['benchmark']} and {after['benchmark']} are two benchmarks; compare two runs of one.")
    failed = []
    for name, (value, unit) in before["figures"].items():
        if name not in after["figures"] or after["figures"][name][1] != unit:
            failed.append(name)
            print(f"{name:<52}{value:>12.4g} {unit:<5} MISSING in the second run")
            continue
        now = after["figures"][name][0]
        ratio = factor(value, now, unit)
        slow = ratio is not None and ratio > most
        failed += [name] if slow else []
        verdict = "not judged" if ratio is None else f"{ratio:.3f} x{' WORSE' if slow else ''}"
        print(f"{name:<52}{value:>12.4g}{now:>12.4g} {unit:<5} {verdict}")
    for name in after["figures"].keys() - before["figures"].keys():
        print(f"{name:<52}{'new':>12}{after['figures'][name][0]:>12.4g} {after['figures'][name][1]}")
    return failed


def main() -> int:
    """Compare; 1 where something got worse, 2 where nothing could be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--max", type=times, default=1.1, dest="most", help="times that a figure may get worse")
    given = parser.parse_args()
    failed = compare(read(given.before), read(given.after), given.most)
    print(
        f"worse by more than {given.most:g}: {', '.join(failed)}"
        if failed
        else f"none is worse by more than {given.most:g}"
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
