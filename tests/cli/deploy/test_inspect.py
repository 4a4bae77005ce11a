"""`tlzoo inspect`: what a file says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]


def test_json_is_the_whole_manifest(command: Command, text_file: Any):
    document = command("inspect", text_file.path, "--json").json
    assert document == text_file.load().manifest.model_dump(mode="json", exclude_none=True)
    assert document["preprocess"]["tokenizer"]


def test_lines_are_one_per_fact_and_the_tokenizer_is_only_counted(command: Command, text_file: Any):
    done = command("inspect", text_file.path)
    names = [line.partition(":")[0] for line in done.out.splitlines()]
    assert {"task", "labels", "preprocess", "checkpoint", "metrics", "parity", "versions"} <= set(names)
    assert len(names) == len(set(names))
    assert len(done.out) < 5000
    assert "WordLevel" not in done.out
