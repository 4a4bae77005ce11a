"""How long `tlzoo --help` takes, beside a bare interpreter's start.

    python benchmarks/startup.py [--runs 30]

The commands take turns, so that whatever else the machine does falls on all of them alike. `python -c pass` is what
anybody who types `python` waits for; `python -I -S -c pass` leaves out even the site packages' own start-up files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from figures import add_option, keep, write

GOAL = 8


def main() -> int:
    """Print the medians; exit 1 when `tlzoo --help` takes more than `GOAL` times a bare interpreter's start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="runs of each command, at least 20")
    add_option(parser)
    given = parser.parse_args()
    runs = max(20, given.runs)
    seconds = measure(commands(), runs)
    plain, bare = seconds["python -c pass"], seconds["python -I -S -c pass"]
    python = sys.version.split()[0]
    print(f"{runs} runs each, taking turns; medians of wall time; {os.cpu_count()} cores, Python {python}")
    print(f"{'':<24}{'ms':>8}{'x python -c pass':>20}{'x python -I -S':>18}")
    for name, took in seconds.items():
        keep(name, took * 1000, "ms")
        print(f"{name:<24}{took * 1000:>8.1f}{took / plain:>20.2f}{took / bare:>18.2f}")
    ratio = seconds["tlzoo --help"] / plain
    print(f"tlzoo --help takes {ratio:.2f} times a bare interpreter's start (goal: at most {GOAL})")
    write(given.json)
    return int(ratio > GOAL)


def commands() -> dict[str, list[str]]:
    """What is measured, by the name to print."""
    script = shutil.which("tlzoo", path=str(Path(sys.executable).parent))
    if script is None:
        raise SystemExit("tlzoo is not installed beside this Python: uv run python benchmarks/startup.py")
    return {
        "python -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -m tlzoo --help": [sys.executable, "-m", "tlzoo", "--help"],
        "tlzoo --help": [script, "--help"],
        "tlzoo models": [script, "models"],
        "tlzoo plugins": [script, "plugins"],
    }


def measure(given: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Median seconds of each command over `runs` runs, the first of each (which fills caches) left out."""
    taken: dict[str, list[float]] = {name: [] for name in given}
    for turn in range(runs + 1):
        for name, command in given.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            if turn:
                taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


if __name__ == "__main__":
    sys.exit(main())
