"""The tables that docs/data.md shows are read as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tlzoo.data import check_columns, read
from tlzoo.data.columns import WRITTEN
from tlzoo.io.inputs.tables import TABLES
from tlzoo.tasks import make_task

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^`([\w.]+)`, read (?:as it is|with `([^`\n]+)`): (?:labels|numbers) ([^\n]+)\.\n\n```text\n(.*?)^```$",
    PAGE,
    flags=re.DOTALL | re.MULTILINE,
)
"""A file's name, the options it is read with, what is found in it, its content."""


@pytest.mark.parametrize(("name", "options", "found", "content"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_each_table_of_the_page_is_read_as_it_says(tmp_path: Path, name: str, options: str, found: str, content: str):
    (tmp_path / name).write_text(content, encoding="utf-8")
    words = shlex.split(options)
    pairs = zip(words[::2], words[1::2], strict=True)
    given = {flag.removeprefix("--").replace("-", "_"): value for flag, value in pairs}
    task = make_task(f"text-{given.pop('task', 'classification')}")
    targets = read(tmp_path / name, task, columns=check_columns(given), training=True).train.targets or ()
    numbers = task.family == "regression"
    labels = [str(target) for target in targets] if numbers else list(task.fit(targets, "label").labels)
    assert labels == re.findall("`([^`]+)`", found)


def test_the_page_shows_every_kind_of_table_and_option():
    tables = PAGE.partition("## Tables")[2].partition("\n| option")[0]
    assert set(re.findall(r"`(\.[\w.]+)`", tables)) == set(TABLES)
    assert len(EXAMPLES) >= 8
    for name in WRITTEN:
        assert f"--{name.replace('_', '-')}" in PAGE
