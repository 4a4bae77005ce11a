"""What cannot become a web page is refused before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from tlzoo.errors import ExportError
from tlzoo.exporting.formats.web.folder import check_task, libraries
from tlzoo.specs import PluginSpec, TextSpec
from tlzoo.tasks import make_task
from tlzoo.tasks.base import Input

ONE_FILE = "Export one file: `format='onnx'`."


def test_a_task_of_several_inputs_has_no_page():
    task: Any = make_task("text-classification", ("a", "b"))
    check_task(task)
    two = type("Two", (type(task),), {"inputs": (Input("question"), Input("context"))})(task.name, task.labels)
    with pytest.raises(ExportError) as error:
        check_task(two)
    assert (error.value.message, error.value.hint, error.value.parameter) == (
        "The web page takes one input; task text-classification has several.",
        ONE_FILE,
        "format",
    )


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        (
            PluginSpec(plugin="odd"),
            "A web page cannot run Python preprocessing, as that of plugin 'odd'.",
            ONE_FILE,
        ),
        (TextSpec(max_length=8), "The manifest has no tokenizer.", "Export the run again."),
    ],
)
def test_preprocessing_that_cannot_go_along_is_named(spec: Any, message: str, hint: str):
    with pytest.raises(ExportError) as error:
        libraries(spec)
    assert (error.value.message, error.value.hint) == (message, hint)
