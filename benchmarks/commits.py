"""One commit beside another: three tasks on texts, trained, exported and predicted with, by the commands of each.

    uv run python benchmarks/commits.py BEFORE [--after HEAD] [--only TASK] [--rounds 3] [--max 1.1]

Both commits are checked out into a temporary folder, each with an environment of its own of the newest versions that it
allows; byte code is compiled before, tlzoo's too, which uv leaves to the first import. Each side has its own cache with
one warm run in it, which is not counted. The sides take turns, so that both meet the same hour of a shared machine; of
the rounds the fastest counts, as the others tell of the machine's other work. Ends with 1 where a command took more
than `--max` times as long.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from children import ALLOCATOR, machine, run
from figures import add_option, keep, write
from samples import CHECKPOINT, prepare

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("classification", "multilabel", "regression")


@dataclass(frozen=True)
class Side:
    """A commit with its environment."""

    name: str
    tree: Path
    work: Path

    def tlzoo(self, *arguments: str | Path) -> float:
        """Wall seconds of one command."""
        python = self.tree / ".venv" / "bin" / "python"
        environment = {"TLZOO_CACHE": str(self.work / "cache"), "VIRTUAL_ENV": "", **ALLOCATOR}
        return run([python, "-m", "tlzoo", *arguments], **environment).seconds


def checkout(commit: str, name: str, folder: Path) -> Side:
    """A clone at one commit, its environment made."""
    tree = folder / name
    for line in (
        ["git", "clone", "--quiet", "--shared", str(ROOT), str(tree)],
        ["git", "-C", str(tree), "checkout", "--quiet", commit],
        ["uv", "sync", "--quiet", "--compile-bytecode", "--project", str(tree)],
        [str(tree / ".venv/bin/python"), "-m", "compileall", "-q", str(tree / "tlzoo"), str(tree / "plugins")],
    ):
        subprocess.run(line, check=True, env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"})
    return Side(name, tree, folder / f"{name}-work")


def tables(folder: Path, samples: int) -> dict[str, tuple[Path, Path]]:
    """A table for each task and one of texts alone: reviews with opinion, words, length."""
    source = prepare("nlp", folder / "texts", samples, 10)[0]
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    words = ("film", "good", "story", "not")
    targets = {
        "classification": lambda row: row["label"],
        "multilabel": lambda row: ";".join(word for word in words if word in row["text"].lower()),
        "regression": lambda row: str(len(row["text"])),
    }
    made = {}
    for task, target in targets.items():
        data, alone = folder / f"{task}.csv", folder / f"{task}-texts.csv"
        with data.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text", "label"], *([row["text"], target(row)] for row in rows)])
        with alone.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text"], *([row["text"]] for row in rows)])
        made[task] = (data, alone)
    return made


def turn(side: Side, task: str, data: Path, texts: Path, number: int) -> dict[str, float]:
    """Seconds of each command on one task."""
    out, common = side.work / f"{task}{number}", ["--task", task, "--seed", str(number), "--quiet"]
    checkpoint, model = CHECKPOINT["nlp"], side.work / f"{task}{number}.onnx"
    tuned = ["--strategy", "finetune", "--freeze", "last:1", "--epochs", "1"]
    return {
        "probe": side.tlzoo("finetune", checkpoint, data, "--out", out, *common),
        "finetune": side.tlzoo("finetune", checkpoint, data, "--out", f"{out}-tuned", *tuned, *common),
        "export": side.tlzoo("export", out, "--out", model, "--quiet"),
        "predict": side.tlzoo("predict", model, texts, "--out", f"{out}.csv", "--quiet"),
    }


def measure(
    sides: list[Side], data: dict[str, tuple[Path, Path]], tasks: list[str], rounds: int, most: float
) -> list[str]:
    """Print the fastest; the commands in which the second side took more than `most` times as long."""
    slower = []
    for task in tasks:
        took: dict[str, dict[str, list[float]]] = {side.name: {} for side in sides}
        for number in range(rounds + 1):
            for side in sides if number % 2 else sides[::-1]:
                for command, seconds in turn(side, task, *data[task], number).items():
                    if number:
                        took[side.name].setdefault(command, []).append(seconds)
        for command in took["before"]:
            before, after = (min(took[side][command]) for side in ("before", "after"))
            slow = after > most * before
            slower += [f"{task}: {command}"] if slow else []
            print(f"{task:<16}{command:<10}{before:8.2f} s{after:8.2f} s{after / before:8.3f} x{' SLOWER' * slow}")
            sys.stdout.flush()
            for side, seconds in (("before", before), ("after", after)):
                keep(f"{task} {command} {side}", seconds, "s")
    return slower


def main() -> int:
    """Measure; 1 where the second commit is slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a commit")
    parser.add_argument("--after", default="HEAD", help="another")
    parser.add_argument("--only", choices=TASKS, action="append", help="one task; can be repeated")
    parser.add_argument("--samples", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max", type=float, default=1.1, dest="most", help="times that a command may take longer")
    add_option(parser)
    given = parser.parse_args()
    print(f"{machine()}\n{given.samples} texts, the fastest of {given.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            checkout(commit, name, Path(folder)) for name, commit in (("before", given.before), ("after", given.after))
        ]
        for side in sides:
            side.work.mkdir()
        data = tables(Path(folder), given.samples)
        slower = measure(sides, data, given.only or list(TASKS), given.rounds, given.most)
    print(
        f"slower by more than {given.most:g}: {', '.join(slower)}"
        if slower
        else f"none is slower by more than {given.most:g}"
    )
    write(given.json)
    return int(bool(slower))


if __name__ == "__main__":
    sys.exit(main())
