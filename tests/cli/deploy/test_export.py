"""`tlzoo export`: its JSON, its lines, and its answer when a proof fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tlzoo.exporting import graph as export_graph_of
from tlzoo.models import onnx_export as core

Command = Callable[..., Any]


def test_json_has_the_keys_that_others_rely_on(command: Command, text_run: Any, tmp_path: Path):
    out = tmp_path / "new" / "model.onnx"
    document = command("export", text_run.path, "--out", out, "--json", "--quiet").json
    assert {"path", "bytes", "parity", "metrics"} <= set(document)
    assert (document["path"], document["bytes"]) == (str(out), out.stat().st_size)
    assert {"max_abs_diff", "top1_agreement", "batches"} <= set(document["parity"])
    assert document["parity"]["top1_agreement"] == 1.0
    assert document["parity"]["batches"] == [1, 2, 3, 7, 33]
    assert set(document["metrics"]) == {"reference", "exported"}
    assert document["metrics"]["exported"]["accuracy"] == document["metrics"]["reference"]["accuracy"]


def test_lines_tell_the_proof_and_what_to_type_next(command: Command, text_run: Any, texts: Path, tmp_path: Path):
    done = command("export", text_run.path, "--out", tmp_path / "model.onnx", "--data", texts)
    assert done.code == 0
    assert "80 held-out samples" in done.out
    assert "labels agree on 100.0%, outputs differ by" in done.out
    assert f"tlzoo predict {tmp_path / 'model.onnx'}" in done.out


def test_a_failed_proof_is_a_users_error_of_one_line_and_leaves_no_file(
    command: Command, text_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def flawed(model: Any, path: Path, opset: int) -> Any:
        graph = core.export_graph(model, path, opset)
        proto = onnx.load(path)
        [bias] = [tensor for tensor in proto.graph.initializer if tensor.name == "head.bias"]
        bias.CopyFrom(numpy_helper.from_array(np.float32([0.0, np.nan]), bias.name))
        onnx.save(proto, path)
        return graph

    monkeypatch.setattr(export_graph_of, "export_graph", flawed)
    done = command("export", text_run.path, "--out", tmp_path / "model.onnx", "--quiet")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "differs most on" in done.err
    assert list(tmp_path.iterdir()) == []
