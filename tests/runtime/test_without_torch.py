"""What deployers run needs neither torch nor the plugins nor onnx: they are blocked, and it works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BLOCKED = """
import sys

class Blocker:
    names = {"torch", "timm", "transformers", "onnx", "onnxscript", "safetensors", "torchvision", "pyarrow",
             "tlzoo_vision", "tlzoo_nlp", "tlzoo_speech"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from tlzoo.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


def blocked(*arguments: Any) -> Any:
    """The JSON that a command prints where those packages cannot be imported."""
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    environment = {**os.environ, "TLZOO_PLUGINS": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_predicting_and_evaluating_import_no_torch(
    zoo: Any, kind: str, request: pytest.FixtureRequest, pictures: Path, texts: Path, recordings: Path
):
    file = request.getfixturevalue(f"{kind}_file")
    run = request.getfixturevalue(f"{kind}_run")
    samples = run.splits().test
    data = {"picture": pictures, "text": texts, "recording": recordings}[kind]
    predictions = blocked("predict", file.path, *samples.inputs[:4], "--json", "-q")["predictions"]
    assert [row["label"] for row in predictions] == [
        prediction.label for prediction in file.load().predict(samples.inputs[:4])
    ]
    if kind == "text":
        assert blocked("evaluate", file.path, data, "--json", "--quiet")["n"] == 80
        assert blocked("inspect", file.path, "--json")["labels"] == ["bad", "good"]
