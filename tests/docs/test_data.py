"""What docs/data.md says of the account of what was read is so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tlzoo.data import announce, read
from tlzoo.io.inputs import report as reasons
from tlzoo.io.inputs.report import ReadReport, Reason
from tlzoo.progress import set_quiet
from tlzoo.tasks import make_task

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## What was read\n")[2].partition("\n## ")[0]


def photos(folder: Path) -> Path:
    """The folder of the example."""
    level = 0
    for part, counts in {"Training": {"blue": 5, "red": 2}, "Testing": {"blue": 2, "red": 2}}.items():
        for label, count in counts.items():
            (folder / part / label).mkdir(parents=True)
            for number in range(count):
                level += 20
                Image.new("L", (8, 8), level).save(folder / part / label / f"{number}.png")
    shutil.copy(folder / "Training" / "blue" / "0.png", folder / "Testing" / "blue" / "0.png")
    for name in (".DS_Store", "README.md", "Training/blue/notes.md", "Training/red/phone.heic"):
        (folder / name).write_text("x")
    return folder


def test_the_example_is_what_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    set_quiet(False)
    report = ReadReport()
    read(photos(tmp_path / "photos"), make_task("image-classification"), report=report)
    announce(report, "photos")
    [example] = re.findall(r"```\n(.*?)```", SECTION, flags=re.DOTALL)
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "") == example


def test_every_field_and_reason_stands_in_the_table():
    cells = re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} >= set(ReadReport().facts())
    named = set(re.findall(r"`(\w+)`", SECTION))
    assert {each.key for each in vars(reasons).values() if isinstance(each, Reason)} <= named
