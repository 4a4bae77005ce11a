"""The sizes of a pickled state dict's tensors, read without executing anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tlzoo.errors import SourceError
from tlzoo.models.counting import pickled_elements

WEIGHTS = {"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.float16)}


@pytest.mark.parametrize(
    ("content", "elements"),
    [
        (WEIGHTS, {"a": 6, "b": 4}),
        ({**WEIGHTS, "steps": torch.tensor(3), 5: torch.zeros(9), "name": "net"}, {"a": 6, "b": 4}),
        ({"epoch": 3, "state_dict": WEIGHTS}, {"a": 6, "b": 4}),
        ({"epoch": 3, "ema": {"count": torch.tensor(3)}, "model": {"x": torch.zeros(2)}, "y": WEIGHTS}, {"x": 2}),
        ({"a": torch.zeros(7), "state_dict": WEIGHTS}, {"a": 7}),
        ({}, {}),
        ([torch.zeros(2)], {}),
        (torch.zeros(2), {}),
    ],
)
def test_floating_point_tensors_count_at_the_top_or_else_one_level_below(
    content: Any, elements: dict[str, int], tmp_path: Path
):
    torch.save(content, tmp_path / "net.pt")
    assert pickled_elements(tmp_path / "net.pt") == elements


class _Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("made-by-a-pickle",)


def test_what_would_execute_is_refused_with_the_readers_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save(_Evil(), "net.pt")
    with pytest.raises(SourceError) as caught:
        pickled_elements(Path("net.pt"))
    start = "net.pt cannot be read by torch's weights_only reader: "
    assert caught.value.message.startswith(f"{start}Weights only load failed")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) <= len(start) + 200
    assert caught.value.hint == "Save it as safetensors, or give `parameters`."
    assert caught.value.parameter == "parameters"
    assert not Path("made-by-a-pickle").exists()


def test_bytes_that_are_no_pickle_are_refused(tmp_path: Path):
    (tmp_path / "net.pt").write_bytes(b"no pickle")
    with pytest.raises(SourceError, match="cannot be read by torch's weights_only reader: "):
        pickled_elements(tmp_path / "net.pt")
