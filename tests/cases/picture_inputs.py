"""Pictures that people reported against other tools, tried on tlzoo. All pictures are drawn here; nothing is copied.

    uv run python tests/cases/picture_inputs.py --out INPUTS              # write all inputs
    uv run python tests/cases/picture_inputs.py --out INPUTS --run        # and try them; 1 when one does not hold
    uv run python tests/cases/picture_inputs.py --out INPUTS --run V-03 slender

Cases with a number are judged; the others, by the name of their situation, only print what is read. No part of the test
suite, as rows that do not hold yet are known faults.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
from pathlib import Path

import picture_kinds
from making import counts, entry, last, open_zoo, tlzoo, trained, vision_network
from picture_folders import MAKERS
from register import OUT, case, each, main, refused

PARTS = (picture_kinds,)
NETWORK = "vision/lab-resnet"


def written(name: str) -> Path:
    """The folder with the inputs of a situation, written anew."""
    shutil.rmtree(OUT / name, ignore_errors=True)
    MAKERS[name](OUT / name)
    return OUT / name


def accuracy(got: str) -> float:
    """The accuracy that finetune printed; 0 where it printed none."""
    found = re.search(r"accuracy ([\d.]+)", got)
    return float(found[1]) if found else 0.0


def said(got: str, *words: str) -> bool:
    """Whether a line was said that has one of these words."""
    return any(word in got.partition("said: ")[2] for word in words)


@case(
    "V-01",
    "copies stay in one part; an overlap with a test part is said",
    lambda got: each(got, lambda part: refused(part) or said(part, "twice", "duplicate", "copies", "the same")),
)
def copies(run: bool) -> str:
    folders = [written(name) for name in ("duplicates", "train_test_overlap")]
    return " | ".join(trained(folder, NETWORK, folder.name)[0] for folder in folders) if run else ""


@case(
    "V-02",
    "rows of one path are merged for several labels, refused or said otherwise",
    lambda got: each(got, lambda part: refused(part) or said(part, "path", "twice", "rows") or "merged" in part),
)
def long_table(run: bool) -> str:
    folder = written("several_a_picture")
    tables = sorted(folder.rglob("*.csv"))
    return " | ".join(counts(table, "image") for table in tables) if run else ""


@case("V-03", "12 bits are spread by the range in use, or refused", lambda got: refused(got) or accuracy(got) > 0.9)
def twelve(run: bool) -> str:
    folder = written("twelve_bits")
    return trained(folder, NETWORK, "twelve")[0] if run else ""


@case("V-04", "a window, or refused as float TIFF is", lambda got: refused(got) or accuracy(got) > 0.9)
def scans(run: bool) -> str:
    folder = written("hounsfield")
    return trained(folder, NETWORK, "hounsfield")[0] if run else ""


@case("V-05", "the two parts, or refused", lambda got: refused(got) or "test None" not in got)
def halves(run: bool) -> str:
    folder = written("capital_halves")
    return counts(folder, "image") if run else ""


@case("V-06", "followed once (loops cut), or said", lambda got: refused(got) or "link" in got or got.startswith("24 "))
def links(run: bool) -> str:
    folder = written("linked")
    return counts(folder / "data", "image") if run else ""


@case(
    "V-07",
    "what can be read is read by content; the rest is counted by ending in one line",
    lambda got: refused(got) or "'red': 19" in got or said(got, "Left out"),
)
def endings(run: bool) -> str:
    folder = written("unread_kinds")
    return counts(folder, "image") if run else ""


@case(
    "V-09", "the README's plain onnxruntime program gives the label of tlzoo predict", lambda got: got.startswith("0 ")
)
def plain_program(run: bool) -> str:
    folders = [written(name) for name in ("turned", "icons")]
    if not run:
        return ""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    [program] = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "InferenceSession" in code]
    differ = total = 0
    for folder in folders:
        text, file = trained(folder, NETWORK, f"plain-{folder.name}")
        if file is None:
            return text
        for path in sorted((folder / "test" if (folder / "test").is_dir() else folder).rglob("*.*g")):
            code = program.replace("photos.onnx", str(file)).replace("a.jpg", str(path))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(code, {})
            _, answered, _ = tlzoo("predict", file, path)
            total += 1
            differ += out.getvalue().split()[0] != answered.splitlines()[-1].split("\t")[1]
    return f"{differ} of {total} labels differ"


@case("V-12", "refused before work starts, folder named", lambda got: refused(got) and "UnicodeEncodeError" not in got)
def names_of_no_utf8(run: bool) -> str:
    folder = written("no_utf8_names")
    return trained(folder, NETWORK, "no-utf8")[0] if run else ""


@case("V-13", "'red' has 2 samples; 3 are needed", lambda got: refused(got) and "has 2 samples" in got)
def two_of_a_class(run: bool) -> str:
    folder = written("few")
    return trained(folder, NETWORK, "few")[0] if run else ""


def only_read(name: str) -> None:
    """A situation without a row: what is read of it is printed."""

    @case(name, (MAKERS[name].__doc__ or "no row").strip())
    def situation(run: bool) -> str:
        folder = written(name)
        return last(counts(folder, "image")) if run else ""


def prepare() -> None:
    """The registry with a small network for pictures beside the others."""
    weights = vision_network(OUT / "zoo" / "resnet")
    preprocess = {"kind": "image", "size": [64, 64], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    open_zoo(entry(NETWORK, "test_resnet", weights, "image-classification", 96, preprocess))


JUDGED = """duplicates train_test_overlap several_a_picture twelve_bits hounsfield capital_halves linked unread_kinds turned
icons no_utf8_names few""".split()
for situation in [name for name in MAKERS if name not in JUDGED]:
    only_read(situation)

if __name__ == "__main__":
    sys.exit(main(__doc__ or "", prepare))
