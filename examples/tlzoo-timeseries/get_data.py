"""Write a data set of the UCR and UEA archives as folders of CSV files: DATA/{train,test}/<class>/<number>.csv.

    python get_data.py GunPoint gunpoint/

The files come out of the wheel of aeon (BSD-3-Clause) on the package index, member by member, each with its hash;
aeon is not installed. The archives (timeseriesclassification.com) ask users to cite Dau et al. 2019 and Bagnall et al.
2018. --shift FOLDER also writes the test series as a worse sensor would have recorded them, for `tlzoo adapt`;
--forecast FOLDER the training series without their last four values and a table of these, for `--task forecasting`.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import sys
from pathlib import Path

from tlzoo.errors import TlzooError
from tlzoo.plugin import Member, PypiSource, fetch_source

FILES = {
    "ArrowHead": (
        ("a83c470aaf611a5f5284377cce27a5fc9f6292bc3d110257b0fd4905ced5ee72", 100357),
        ("5417dab42626d41df5e435bb22458c2df40dfad4bcd3b59559bbe72e20e84904", 484894),
    ),
    "BasicMotions": (
        ("8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6", 227790),
        ("79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc", 227713),
    ),
    "GunPoint": (
        ("f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5", 84188),
        ("79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e", 252305),
    ),
    "ItalyPowerDemand": (
        ("341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c", 18300),
        ("26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144", 274054),
    ),
}
"""Of each data set the hash and the size in bytes of its training and its test file."""

HORIZON = 4
"""How many values at its end are to be forecast from a series."""

Series = list[list[float]]
"""A row per channel."""


def main() -> int:
    """Fetch, verify, write; 2 where it cannot."""
    parser = argparse.ArgumentParser(description="Write a UCR or UEA data set as folders of CSV files.")
    parser.add_argument("name", choices=FILES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shift", type=Path, metavar="FOLDER", help="the test series of a worse sensor, written there")
    parser.add_argument("--forecast", type=Path, metavar="FOLDER", help="series and what follows them, written there")
    given = parser.parse_args()
    try:
        halves = fetch(given.name)
    except TlzooError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for half, samples in halves.items():
        write(given.folder / half, samples)
    if given.shift:
        noise = random.Random(0)
        other = [(label, [worse(row, noise) for row in series]) for label, series in halves["test"]]
        write(given.shift, other)
    if given.forecast:
        write_forecast(given.forecast, halves["train"])
    return 0


def fetch(name: str) -> dict[str, list[tuple[str, Series]]]:
    """Labelled series of both halves, through tlzoo's own source of kind `pypi`. Raises SourceError."""
    halves = ("TRAIN", "TEST")
    source = PypiSource(
        project="aeon",
        version="1.6.0",
        archive="aeon-1.6.0-py3-none-any.whl",
        members=tuple(
            Member(path=f"aeon/datasets/data/{name}/{name}_{half}.ts", sha256=sha256, size=size)
            for half, (sha256, size) in zip(halves, FILES[name], strict=True)
        ),
    )
    found = fetch_source(source, f"data/{name}").files
    return {half.lower(): read(found[f"{name}_{half}.ts"]) for half in halves}


def read(path: Path) -> list[tuple[str, Series]]:
    """The samples of a .ts file: a line each, channels and label between colons."""
    lines = iter(path.read_text("utf-8").splitlines())
    for line in lines:
        if line.strip().lower() == "@data":
            break
    samples = []
    for line in lines:
        if line.strip():
            *rows, label = line.strip().split(":")
            samples.append((label, [[float(value) for value in row.split(",")] for row in rows]))
    return samples


def worse(row: list[float], noise: random.Random) -> list[float]:
    """One channel at two thirds of its rate, with noise and a drift of a third of its spread."""
    middle = math.fsum(row) / len(row)
    spread = math.sqrt(math.fsum((value - middle) ** 2 for value in row) / len(row))
    kept = row[::3] if len(row) < 3 else [value for place, value in enumerate(row) if place % 3]
    return [value + spread / 3 * (noise.gauss(0, 1) + 2 * place / len(kept) - 1) for place, value in enumerate(kept)]


def write_forecast(folder: Path, samples: list[tuple[str, Series]]) -> None:
    """A CSV file per sample without its end, and forecast.csv with the columns path and future."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "forecast.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "future"))
        for number, (_, [row, *_]) in enumerate(samples):
            path = folder / f"{number:04}.csv"
            path.write_text("\n".join(["level", *map(str, row[:-HORIZON]), ""]), encoding="utf-8")
            table.writerow((path.name, " ".join(map(str, row[-HORIZON:]))))


def write(folder: Path, samples: list[tuple[str, Series]]) -> None:
    """A CSV file per sample, in a folder per class, with a column per channel."""
    for number, (label, series) in enumerate(samples):
        place = folder / label.lower()
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{number:04}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(f"channel{channel}" for channel in range(1, len(series) + 1))
            table.writerows(zip(*series, strict=True))


if __name__ == "__main__":
    raise SystemExit(main())
