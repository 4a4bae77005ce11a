"""How long `tlzoo predict FILE INPUT` takes from nothing, beside a bare interpreter; and what its environment weighs.

    uv run python benchmarks/coldstart.py [--only vision|nlp|speech] [--files FILE.onnx ...] [--runs 15]

A wheel of this tree is built and installed, with the core's dependencies alone, in a fresh environment: what somebody
who deploys has. Counted there is the whole process, from before its start to after its end, files in the page cache,
byte code compiled as pip does, each command in turn. `here` is the same command in this environment, where torch and
the plugins are installed too. `python -c pass` is each environment's own.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from children import machine, run
from figures import add_option, keep, write
from samples import MODALITIES, by_modality, exported, test_inputs

SECONDS_GOAL, MEGABYTES_GOAL = 0.8, 300
LISTED = 8


def fresh_environment(work: Path) -> Path:
    """The Python of a new environment with the core's wheel and nothing else of ours."""
    uv = shutil.which("uv")
    if uv is None:
        raise SystemExit("The environment is made with uv, which is not here. Install it: pip install uv")
    root, folder = Path(__file__).resolve().parents[1], work / "environment"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([uv, "build", "-q", "--wheel", "--out-dir", work / "wheel", root], check=True)
    [wheel] = (work / "wheel").glob("*.whl")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, wheel], check=True)
    return python


def weigh(python: Path) -> dict[str, float]:
    """MB (10^6 bytes) on disk of everything in an environment's site-packages, the heaviest first."""
    where = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).output.strip()
    sizes = {entry.name: _bytes(entry) / 1e6 for entry in Path(where).iterdir()}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _bytes(place: Path) -> int:
    """What files take on disk, in whole blocks."""
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return sum(max(stat.st_size, 512 * getattr(stat, "st_blocks", 0)) for stat in (path.stat() for path in files))


def measure(pythons: dict[str, Path], questions: dict[str, tuple[Path, str]], runs: int) -> dict[str, list[float]]:
    """Seconds of every process, the commands taking turns; the first of each, which fills caches, does not count."""
    commands: dict[str, list[str | Path]] = {}
    for place, python in pythons.items():
        commands[f"{place}: python -c pass"] = [python, "-c", "pass"]
        for modality, (file, given) in questions.items():
            commands[f"{place}: {modality}"] = [python, "-m", "tlzoo", "predict", file, given]
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            seconds = run(command).seconds
            if turn:
                taken[name].append(seconds)
    return taken


def report(taken: dict[str, list[float]], sizes: dict[str, float]) -> None:
    """A table, and the lines for benchmarks/README.md."""
    usual = {name: statistics.median(seconds) for name, seconds in taken.items()}
    print(f"{len(next(iter(taken.values())))} runs each, taking turns; medians of wall time, seconds")
    for name, seconds in usual.items():
        keep(name, seconds, "s")
        plain = usual[f"{name.partition(':')[0]}: python -c pass"]
        print(
            f"  {name:<28}{seconds:>8.3f}   {seconds - plain:+.3f} over python -c pass   fastest {min(taken[name]):.3f}"
        )
    print("  site-packages, MB: " + ", ".join(f"{name} {size:.1f}" for name, size in list(sizes.items())[:LISTED]))
    for name, seconds in usual.items():
        place, _, what = name.partition(": ")
        over = seconds - usual[f"{place}: python -c pass"]
        if place == "fresh" and not what.startswith("python"):
            missed = "" if over <= SECONDS_GOAL else ", missed"
            print(
                f"| `tlzoo predict` of one input, process and all, {what} | {seconds:.2f} s, **{over:.2f} s** over "
                f"`python -c pass` | ≤ {SECONDS_GOAL} s{missed} |"
            )
    total = sum(sizes.values())
    keep("environment with the core alone", total, "MB")
    missed = "" if total < MEGABYTES_GOAL else ", missed"
    print(f"| environment with the core alone, no torch | **{total:.0f} MB** | < {MEGABYTES_GOAL} MB{missed} |")


def main() -> None:
    """Measure one modality or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MODALITIES)
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="exported files, else they are made here")
    parser.add_argument("--runs", type=int, default=15, help="of each command")
    add_option(parser)
    arguments = parser.parse_args()
    given = by_modality(arguments.files)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pythons = {"fresh": fresh_environment(work), "here": Path(sys.executable)}
        questions = {
            modality: (given.get(modality) or exported(modality, None, work), test_inputs(modality, 1)[0])
            for modality in ([arguments.only] if arguments.only else MODALITIES)
        }
        sizes = weigh(pythons["fresh"])
        report(measure(pythons, questions, arguments.runs), sizes)
    write(arguments.json)


if __name__ == "__main__":
    main()
