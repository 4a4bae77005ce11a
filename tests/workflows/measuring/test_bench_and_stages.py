"""What `tlzoo.bench` is given is judged before anything is measured; stages that an entry lacks are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlzoo.models.stages as counting
from tlzoo.errors import UsageError
from tlzoo.progress import set_quiet
from tlzoo.registry.schema import Checkpoint, StageRecord
from tlzoo.workflows import bench as workflow
from tlzoo.workflows import stages

NUMBERS = "Give whole numbers, 1 or more."


@pytest.mark.parametrize(
    ("given", "counts"),
    [(1, (1,)), (np.int64(8), (8,)), ((1, 8), (1, 8)), ([2], (2,)), (np.array([3, 4]), (3, 4)), ((), ()), ({5}, (5,))],
)
def test_counts_are_one_or_several(given: Any, counts: tuple[int, ...]):
    found = workflow._counts("batch", given)
    assert (found, {type(one) for one in found} <= {int}) == (counts, True)


@pytest.mark.parametrize("given", [0, -1, True, [1, 0], [True], 1.5, [1.5], "18", b"18", None, ["1"]])
def test_what_is_no_count_is_refused(given: Any):
    with pytest.raises(UsageError) as refused:
        workflow._counts("batch", given)
    assert (refused.value.message, refused.value.hint) == (f"`batch` cannot be {given!r}.", NUMBERS)


@pytest.mark.parametrize(
    ("given", "message", "name"),
    [
        ({"files": 3}, "`files` cannot be 3.", "files"),
        ({"files": ["a", 3]}, "`files` cannot be ['a', 3].", "files"),
        ({"files": []}, "No file was given.", "files"),
        ({"provider": ()}, "`provider` cannot be ().", "provider"),
        ({"provider": ("cpu", 3)}, "`provider` cannot be ('cpu', 3).", "provider"),
        ({"data": "text"}, "`data` cannot be 'text'.", "data"),
        ({"data": []}, "`data` cannot be [].", "data"),
        ({"seconds": 0.009}, "`seconds` cannot be 0.009.", "seconds"),
        ({"seconds": float("inf")}, "`seconds` cannot be inf.", "seconds"),
        ({"seconds": True}, "`seconds` cannot be True.", "seconds"),
        ({"seconds": "2"}, "`seconds` cannot be '2'.", "seconds"),
        ({"length": 0}, "`length` cannot be 0.", "length"),
        ({"batch": ()}, "`batch` cannot be empty.", "batch"),
        ({"threads": 0}, "`threads` cannot be 0.", "threads"),
    ],
)
def test_what_cannot_be_measured_is_refused(given: dict[str, Any], message: str, name: str):
    with pytest.raises(UsageError) as refused:
        workflow.bench(**{"files": "m.onnx", **given})
    assert (refused.value.message, refused.value.parameter) == (message, name)


def test_what_is_measured_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    monkeypatch.setattr(workflow, "measure", lambda files, **named: asked.append((files, named)) or ["row"])
    assert workflow.bench("m.onnx") == ["row"]
    path = Path("m.onnx")
    workflow.bench([path, "n"], batch=2, threads=(1, 2), provider=["cpu", "cuda"], data=["a"], length=7, seconds=0.01)
    plain = {"batches": (1, 8, 32), "threads": (), "providers": ("cpu",), "inputs": None, "length": None}
    assert asked[0] == (["m.onnx"], {**plain, "seconds": 2.0, "against": None})
    assert asked[1] == (
        [path, "n"],
        {
            "batches": (2,), "threads": (1, 2), "providers": ("cpu", "cuda"), "inputs": ["a"], "length": 7,
            "seconds": 0.01, "against": None,
        },
    )  # fmt: skip


NET = Checkpoint.model_validate(
    {
        "id": "my/net", "architecture": "net", "tasks": ["text-classification"], "parameters": 100, "feature_dim": 4,
        "preprocess": {"kind": "text", "max_length": 8},
        "source": {"kind": "url", "url": "https://example.org/w.bin", "sha256": "ab" * 32, "size": 3},
    }
)  # fmt: skip
BUILDING = "The registry entry of my/net lists no stages: building the network to count them."


@pytest.mark.parametrize(
    ("total", "here", "kept", "said"),
    [
        (100, False, True, ""),
        (90, False, True, "The stages have 90 parameters; the registry entry says 100."),
        (110, False, True, "The stages have 110 parameters; the registry entry says 100."),
        (89, False, False, "The stages depend on the weights. Fetch them first: tlzoo pull my/net"),
        (111, False, False, "The stages depend on the weights. Fetch them first: tlzoo pull my/net"),
        (1234, True, True, "The stages have 1,234 parameters; the registry entry says 100."),
    ],
)
def test_stages_are_those_that_are_built_where_they_can_be_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int, here: bool, kept: bool, said: str
):
    set_quiet(False)
    built = (StageRecord(name="a", parameters=total - 1), StageRecord(name="b", parameters=1))
    weights = object() if here else None
    monkeypatch.setattr(stages, "_weights_here", lambda checkpoint: weights)
    monkeypatch.setattr(counting, "checkpoint_stages", lambda *given: built if given == (NET, weights) else ())
    found = stages.with_stages(NET)
    assert found.stages == (built if kept else ())
    assert capsys.readouterr().err.splitlines() == [BUILDING, *filter(None, [said])]
    if kept:
        assert stages.with_stages(found) is found


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UsageError("No.", hint="Try."), "The stages are unknown: No. Try."),
        (
            ImportError("No torch"),
            "The stages are unknown: No torch. Install what training needs: pip install 'tlzoo[train]'",
        ),
    ],
)
def test_stages_that_cannot_be_built_are_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, said: str
):
    set_quiet(False)

    def fail(*given: Any) -> None:
        raise error

    monkeypatch.setattr(stages, "_weights_here", lambda checkpoint: None)
    monkeypatch.setattr(counting, "checkpoint_stages", fail)
    assert stages.with_stages(NET) is NET
    assert capsys.readouterr().err.splitlines() == [BUILDING, said]


def test_weights_that_are_not_here_are_none(cache: Path):
    assert stages._weights_here(NET) is None
