"""The cases by id: what is right, what writes the inputs and tries them, and whether what came out is right."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Try = Callable[[bool], str]


class Place:
    """The folder that everything is written to."""

    folder = Path()

    def __truediv__(self, name: object) -> Path:
        return self.folder / str(name)


@dataclass(frozen=True)
class Case:
    """`attempt(run)` writes the inputs and, asked to run, says what came out; `holds` tells whether that is right.

    A case without `holds` is printed and not judged.
    """

    right: str
    holds: Callable[[str], bool] | None
    attempt: Try


OUT = Place()
SCRIPTS = ("picture_inputs.py", "text_audio_inputs.py")
CASES: dict[str, Case] = {}


def case(id: str, right: str, holds: Callable[[str], bool] | None = None) -> Callable[[Try], Try]:
    """Register a case."""

    def register(function: Try) -> Try:
        CASES[id] = Case(right, holds, function)
        return function

    return register


def each(got: str, holds: Callable[[str], bool]) -> bool:
    """Whether every part of an answer holds."""
    return all(map(holds, got.split(" | ")))


def refused(got: str) -> bool:
    """Whether that is an error that a user can act on, and no crash."""
    return bool(re.search(r"\w+Error: |-> 2: |exit 2", got)) and not re.search(r"Bug: |Traceback|AttributeError", got)


def length(got: str) -> float:
    """The seconds that were heard."""
    found = re.search(r"hears ([\d.]+) s", got)
    return float(found[1]) if found else 0.0


def loudness(got: str) -> float:
    """The largest sample that was heard."""
    found = re.search(r"largest sample ([\d.e+-]+)", got)
    return float(found[1].rstrip(",")) if found else 0.0


def main(description: str, prepare: Callable[[], None]) -> int:
    """Write, or try, the cases that are asked for; 1 when one that is judged does not hold."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the inputs go")
    parser.add_argument("--run", action="store_true", help="try them; exit 1 when one does not hold")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("ids", nargs="*", help="these cases alone")
    given = parser.parse_args()
    if unknown := [id for id in given.ids if id not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    if given.list or not given.out:
        print("\n".join(f"{id}: {each.right}" for id, each in CASES.items()))
        return 0 if given.list else 2
    OUT.folder = given.out.resolve()
    (OUT / "runs").mkdir(parents=True, exist_ok=True)
    prepare()
    failed = [id for id in given.ids or CASES if not tried(id, given.run)]
    if given.run:
        print(f"do not hold: {', '.join(failed)}" if failed else "all hold")
    return int(bool(failed))


def no_script(*scripts: str) -> int:
    """Of a part of the cases that is run alone: say which script has them; 2, as nothing was tried."""
    runs = " or ".join(f"python tests/cases/{script} --out INPUTS --run" for script in scripts or SCRIPTS)
    print(f"This file is no script. Run: {runs}", file=sys.stderr)
    return 2


def tried(id: str, run: bool) -> bool:
    """Write one case and, asked to run, print what came out; whether it holds."""
    chosen = CASES[id]
    try:
        got, failed = chosen.attempt(run), False
    except Exception as error:
        got, failed = f"this script failed: {type(error).__name__}: {error}", True
    if not run:
        print(f"{id} {got if failed else 'written'}", flush=True)
        return not failed
    held = not failed and (chosen.holds is None or chosen.holds(got))
    verdict = "not judged" if chosen.holds is None else "holds" if held else "DOES NOT HOLD"
    print(f"{id} {verdict}\n    got   {got}\n    right {chosen.right}", flush=True)
    return held


if __name__ == "__main__":
    sys.exit(no_script())
