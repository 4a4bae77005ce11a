"""No reader drops a sample without counting it: of a mess, used, merged, left out and broken are all there is."""

from __future__ import annotations

import csv
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tlzoo.data import read
from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs.report import ReadReport, Skip
from tlzoo.runtime.inputs import InputSpec, named_inputs
from tlzoo.tasks import make_task

PNG = b"\x89PNG\r\n\x1a\n"
ALL = Skip(share=1.0)
SEEDS = range(4)


def total(report: ReadReport) -> int:
    """All that is in one of the report's counts."""
    return report.used + report.merged + len(report.broken) + sum(kinds.total() for kinds in report.left_out.values())


def there(folder: Path) -> int:
    """What lies in a folder: files, special ones, and links, which count as one."""
    return sum(
        not os.path.isdir(path) or os.path.islink(path)
        for place, folders, names in os.walk(folder)
        for path in (os.path.join(place, name) for name in (*folders, *names))
    )


def mess(folder: Path, draw: random.Random, count: int = 60) -> Path:
    """Files and folders of all kinds below a folder that has one good picture; links and pipes too."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "good.png").write_bytes(PNG + folder.name.encode())
    places = [folder]
    for at in range(count):
        place = draw.choice(places)
        name = draw.choice(["", "", "", ".", "__MACOSX", "a\n\tb", "caf\udce9", "\x1b["]) + str(at)
        file = place / (name + draw.choice([".png", ".PNG", ".md", ".tar.gz", "", ".HEIC"]))
        match draw.choice("folder file file file file empty twin link nowhere pipe up".split()):
            case "folder":
                file.mkdir()
                places.append(file)
            case "empty":
                file.write_bytes(b"")
            case "twin":
                file.write_bytes(PNG)
            case "link":
                os.symlink(folder / "good.png", file)
            case "nowhere":
                os.symlink(folder / "gone", file)
            case "pipe":
                os.mkfifo(file)
            case "up":
                os.symlink(place, file)
            case _:
                file.write_bytes(draw.choice([PNG + str(at).encode(), b"text", b"RIFF\0\0\0\0WAVE"]))
    return folder


def class_folders(place: Path, draw: random.Random) -> Path:
    for label in ("blue", "red"):
        mess(place / label, draw)
    for name in ("README.md", ".DS_Store", "loose.png"):
        (place / name).write_bytes(PNG)
    return place


def two_parts(place: Path, draw: random.Random) -> Path:
    for part in ("Training", "testing", "val"):
        class_folders(place / part, draw)
    (place / "loose.png").write_bytes(PNG)
    (place / ".cache").mkdir()
    (place / ".cache" / "x").write_bytes(b"")
    return place


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("layout", [class_folders, two_parts])
@pytest.mark.parametrize("labelled", [True, False])
def test_folders(tmp_path: Path, seed: int, layout: Callable[..., Path], labelled: bool):
    place, report = layout(tmp_path / "data", random.Random(seed)), ReadReport()
    found = read(place, make_task("image-classification"), report=report, skip=ALL, labelled=labelled)
    assert total(report) == there(place)
    assert report.used == sum(len(part) for part in (found.train, found.test) if part is not None)
    assert report.broken


def rows(draw: random.Random, count: int = 50) -> list[dict[str, Any]]:
    cells = ["fine film", "dull film", "", " ", None, "fine film", "\u200b", "x" * 5000]
    return [
        {"text": draw.choice(cells) if at > 3 else f"text {at}", "label": draw.choice("ab") if at > 3 else "ab"[at % 2]}
        for at in range(count)
    ]


def delimited(separator: str) -> Callable[[Path, list[dict[str, Any]], random.Random], int]:
    def write(path: Path, given: list[dict[str, Any]], draw: random.Random) -> int:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(["text", "label"])
            for row in given:
                broken = draw.choice([[], [], [], ["one more"], ["\0"]])
                writer.writerow([row["text"], row["label"], *broken])
                file.write("\n" * (draw.random() < 0.2))
        return len(given)

    return write


def json_lines(path: Path, given: list[dict[str, Any]], draw: random.Random) -> int:
    strange = ["{", "[]", "3", '{"text": 3.5, "label": "a"}', '{"text": ["a"], "label": "b"}', '{"text": "\\ud800"}']
    lines = [*map(json.dumps, given), *draw.choices(strange, k=9)]
    path.write_text("\n\n".join(lines))
    return len(lines)


def parquet(path: Path, given: list[dict[str, Any]], draw: random.Random) -> int:
    pq.write_table(pa.Table.from_pylist(given), path)
    return len(given)


TABLES = {".csv": delimited(","), ".tsv": delimited("\t"), ".jsonl": json_lines, ".parquet": parquet}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ending", TABLES)
@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_tables_of_texts(tmp_path: Path, seed: int, ending: str, kind: str):
    draw, report = random.Random(seed), ReadReport()
    count = TABLES[ending](tmp_path / f"data{ending}", rows(draw), draw)
    found = read(tmp_path / f"data{ending}", make_task(f"text-{kind}"), report=report, skip=ALL)
    assert total(report) == count
    assert (report.used, bool(report.broken)) == (len(found.train), True)
    assert (report.merged > 0) is (kind == "multilabel")


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_that_name_files_and_what_lies_beside_them(tmp_path: Path, seed: int):
    draw, place, report = random.Random(seed), tmp_path / "data", ReadReport()
    mess(place / "pictures", draw)
    names = [path.relative_to(place) for path in sorted((place / "pictures").rglob("*")) if path.suffix == ".png"]
    named = [os.fsdecode(name) for name in draw.sample(names, len(names) // 2)] + ["pictures/good.png", "gone.png", ""]
    lines = [json.dumps({"path": name, "label": "ab"[len(name) % 2]}) for name in named]
    (place / "train.jsonl").write_text("\n".join(lines))
    read(place, make_task("image-classification"), report=report, skip=ALL)
    assert report.used + len(report.broken) + report.merged == len(lines)
    files = {os.path.abspath(place / name) for name in named if name and (place / name).is_file()}
    left = sum(kinds.total() for kinds in report.left_out.values())
    assert left + len(files) + 1 == there(place)


def words(draw: random.Random) -> list[list[tuple[str, str]]]:
    return [[(draw.choice("ab") * 3, draw.choice(["O", "B-X"])) for _ in range(draw.randint(1, 6))] for _ in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_layouts_of_a_task(tmp_path: Path, seed: int):
    texts, task = words(random.Random(seed)), make_task("text-tokens")
    parts = ["\n".join(f"{word} {tag}" for word, tag in text) for text in texts]
    (tmp_path / "a.conll").write_text("\n\n".join(["-DOCSTART- O", *parts]))
    table = [("sentence", "word", "tag"), *((at, w, t) for at, text in enumerate(texts) for w, t in text)]
    (tmp_path / "b.csv").write_text("\n".join(",".join(map(str, row)) for row in table))
    for name, count in (("a.conll", len(texts)), ("b.csv", len(table) - 1)):
        report = ReadReport()
        read(tmp_path / name, task, report=report, skip=ALL)
        assert (total(report), report.used) == (count, len(texts))


def answered(given: list[str], spec: InputSpec) -> Iterator[bool]:
    """Whether each input was read."""
    yield from (not isinstance(value, InputError) for _, value in named_inputs(given, spec, []))


@pytest.mark.parametrize("seed", SEEDS)
def test_inputs_of_predict(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    place, spec = class_folders(tmp_path / "data", draw), InputSpec("image", (".png",), report=ReadReport())
    found = list(answered([str(place)], spec))
    assert len(found) + total(spec.report) == there(place)
    for ending, write in TABLES.items():
        count = write(tmp_path / f"table{ending}", rows(draw), draw)
        assert len(list(answered([str(tmp_path / f"table{ending}")], InputSpec("text", (".txt",))))) == count
    flat = tmp_path / "flat"
    mess(flat, draw)
    shown = [path for path in flat.iterdir() if not path.name.startswith(".") and not path.is_dir()]
    for modality, endings in (("image", (".png",)), ("text", (".md",))):
        spec = InputSpec(modality, endings, report=ReadReport())
        assert len(list(answered([f"{flat}/*"], spec))) + total(spec.report) == len(shown)


def test_a_part_that_is_not_used_is_counted(tmp_path: Path):
    from tlzoo.data import read_labelled

    place, report = two_parts(tmp_path / "data", random.Random(0)), ReadReport()
    samples = read_labelled(
        place, make_task("image-classification", ("blue", "red")), columns={}, endings=(), report=report, skip=ALL
    )
    assert (report.used, total(report)) == (len(samples), there(place))


def test_what_is_said_of_a_mess_is_a_line_each(tmp_path: Path):
    place, report = two_parts(tmp_path / "data", random.Random(1)), ReadReport()
    with pytest.raises(DataError, match="samples cannot be read"):
        read(place, make_task("image-classification"), report=report)
    assert json.loads(json.dumps(report.facts()))["left_out"]["hidden"]
