"""Plants defects in tlzoo, one at a time, and counts how many the tests catch.

    uv run python tools/mutate.py [--seed 7] [--count 20] [--least 18] [--jobs 1] [--room training] [--list]

The seed draws functions, in each a kind of defect and a place for it (tools/mutations.py). Every defect is planted in a
temporary copy of the tree, whose tests run there: those that mirror the module's path, those that import it, those of
its room, and only if all of these pass all others, room by room, but for those of style, which what is planted may not
suit. A test that fails counts only if it passes on the copy without the defect. `--list` draws and runs nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutations import Defect, draw

ROOT = Path(__file__).resolve().parents[1]
BYTE_CODE = ROOT / ".pytest_cache" / "bytecode"
PATIENCE = 900
"""Seconds after which tests that do not end count as having caught the defect: it is a loop without an end."""
STYLE = Path("tests", "test_style.py")
COMMANDS = ("workflows", "cli")
PYTEST = (
    *("-v", "-x", "--tb=no", "--no-header", "-o", "console_output_style=classic", "-o", "addopts="),
    *("-p", "no:xdist", "-p", "no:cacheprovider", "-o", "required_plugins=", "--import-mode=importlib"),
    *("-m", "not release"),
)
FAILED = re.compile(r"^(.+) (?:FAILED|ERROR)$|^ERROR (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a defect: the test that caught it, or "" where none did."""

    defect: Defect
    caught_by: str


def tracked(folder: Path = ROOT) -> list[Path]:
    """The files that git knows or would add, as paths below the root."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=folder, capture_output=True, text=True, check=True)
    return [path for path in map(Path, sorted(filter(None, done.stdout.split("\0")))) if (folder / path).is_file()]


def nearest(module: Path, tests: dict[Path, str]) -> list[list[Path]]:
    """All test files in steps from a module on: its mirror, its importers, the rest of its room, importers of its room,
    then the other rooms, first those of whole commands."""
    inside = module.with_suffix("")
    dotted = ".".join(inside.parts[inside.parts.index(_package(module)) :]).removesuffix(".__init__")
    parent, _, name = dotted.rpartition(".")
    own = re.compile(rf"\b{re.escape(dotted)}\b|from {re.escape(parent)} import [^\n]*\b{name}\b")
    room = _room(module)
    mirror = [path for path in tests if room in path.parents and name.strip("_") in path.stem]
    importers = [path for path, text in tests.items() if own.search(text)]
    top = "." not in parent  # the room of such a module would be the whole suite
    rest = [path for path in tests if (path.parent == room if top else room in path.parents)]
    wider = [path for path, text in tests.items() if not top and re.search(rf"\b{re.escape(parent)}\b", text)]
    steps, seen = [], set()
    others = [[path for path in tests if Path(*path.parts[:2]) == other] for other in _rooms(tests)]
    for step in (mirror, importers, rest, wider, *others):
        steps.append([path for path in step if path not in seen])
        seen.update(step)
    return [step for step in steps if step]


def _rooms(tests: Iterable[Path]) -> list[Path]:
    """The folders right below tests/ and plugins/: those first in which whole commands run."""
    return sorted({Path(*path.parts[:2]) for path in tests}, key=lambda room: (room.name not in COMMANDS, room))


def _package(module: Path) -> str:
    return next(part for part in module.parts if part.startswith("tlzoo"))


def _room(module: Path) -> Path:
    """The folder of tests that mirrors a module's."""
    if module.parts[0] == "plugins":
        return Path("plugins", module.parts[1], "tests")
    return Path("tests", *module.parent.parts[1:])


def attempt(defect: Defect, files: list[Path], tests: dict[Path, str]) -> Outcome:
    """Plant one defect in a copy of the tree and run the nearest tests there."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        copy = Path(place).resolve() / "tree"
        for path in files:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, copy / path)
        whole = (copy / defect.file).read_text(encoding="utf-8")
        try:
            for step in nearest(defect.file, tests):
                (copy / defect.file).write_text(defect.applied(whole), encoding="utf-8")
                test = _first_failure(copy, [str(path) for path in step])
                (copy / defect.file).write_text(whole, encoding="utf-8")
                if test and (test == "no end" or not _first_failure(copy, [test])):
                    return Outcome(defect, test)
            return Outcome(defect, "")
        finally:
            shutil.rmtree(BYTE_CODE / copy.relative_to(copy.anchor), ignore_errors=True)


def _first_failure(copy: Path, tests: list[str]) -> str:
    """The first test that fails in the copy; "" when all pass, "no end" when they do not end."""
    paths = [copy, copy / "tests", *sorted((copy / "plugins").iterdir())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPYCACHEPREFIX"] = str(BYTE_CODE)
    # a defect in where tlzoo keeps things must not reach what is the user's
    environment |= {name: str(copy.parent / "home") for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-m", "pytest", *PYTEST, *tests]
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return "no end"
    if done.returncode in (0, 5):
        return ""
    failed = FAILED.search(done.stdout)
    return failed[1] or failed[2] if failed else tests[0]


def main() -> int:
    """Plant, run, print a table and the score; 1 when fewer than `--least` were caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--least", type=int, default=0, help="exit 1 when fewer are caught")
    parser.add_argument("--jobs", type=int, default=1, help="defects tried at the same time")
    parser.add_argument("--room", default="", help="a folder of tlzoo/ or plugins/ to draw from, such as training")
    parser.add_argument("--list", action="store_true", help="print what is drawn and run nothing")
    given = parser.parse_args()
    files = tracked()
    tests = {path: (ROOT / path).read_text("utf-8") for path in files if re.fullmatch(r"test_\w+\.py", path.name)}
    tests = {path: text for path, text in tests.items() if path.parts[0] in ("tests", "plugins") and path != STYLE}
    defects = draw(ROOT, files, given.seed, given.count, given.room)
    if given.list:
        print("\n".join(f"{number:>3} {defect}" for number, defect in enumerate(defects, 1)))
        return 0
    caught = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for number, outcome in enumerate(pool.map(lambda defect: attempt(defect, files, tests), defects), 1):
            caught += bool(outcome.caught_by)
            print(f"{number:>3} {outcome.defect}\n      {outcome.caught_by or 'NOT CAUGHT'}", flush=True)
    print(f"seed {given.seed}: {caught} of {len(defects)} caught")
    return int(caught < given.least)


if __name__ == "__main__":
    sys.exit(main())
