"""What a command can know at once it refuses before it imports torch, which takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NONE = "no/such/place"
NEW = ("--out", "new")
PROGRAM = """
import contextlib, io, json, sys
from tlzoo.cli import main
found = []
for arguments in json.load(sys.stdin):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        code = main([*arguments, "--quiet"])
    found.append([code, errors.getvalue(), sorted({"torch", "onnx", "transformers", "timm"} & set(sys.modules))])
json.dump(found, sys.stdout)
"""
Case = tuple[tuple[str, ...], tuple[str, ...]]
CASES: dict[str, Case] = {
    "finetune, run exists": (("finetune", "CHECKPOINT", "TEXTS", "--out", "RUN"), ("already exists", "--out")),
    "finetune, checkpoint": (("finetune", "nlp/nothing", "TEXTS", *NEW), ("'nlp/nothing'", "tlzoo models")),
    "finetune, data": (("finetune", "CHECKPOINT", NONE, *NEW), (NONE, "a folder with one sub-folder per class")),
    "finetune, test": (("finetune", "CHECKPOINT", "TEXTS", "--test", NONE, *NEW), (NONE, "does not exist")),
    "finetune, strategy": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "magic"),
        ("--strategy magic", "lp-ft"),
    ),
    "finetune, value": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "lora", "--epochs", "0"),
        ("--epochs cannot be 0", "1 or more"),
    ),
    "finetune, not an option of it": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--epochs", "3"),
        ("--epochs has no effect with --strategy probe",),
    ),
    "finetune, task": (("finetune", "CHECKPOINT", "TEXTS", *NEW, "--task", "juggling"), ("'juggling'", "text-tokens")),
    "finetune, freeze": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "finetune", "--freeze", "lst:1"),
        ("'lst:1'", "last:<n>"),
    ),
    "finetune, freeze and rank": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "lora", "--freeze", "lora:x"),
        ("'lora:x'", "--freeze lora:8"),
    ),
    "finetune, freeze of a probe": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--freeze", "last:1"),
        ("contradicts", "--strategy finetune"),
    ),
    "finetune, head": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "finetune", "--head", "cubic"),
        ("'cubic'", "--head"),
    ),
    "finetune, without effect": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "finetune", "--freeze", "all", "--l2-sp", ".1"),
        ("--l2-sp", "no effect"),
    ),
    "finetune, other modality": (
        ("finetune", "CHECKPOINT", "TEXTS", *NEW, "--strategy", "finetune", "--mixup", ".2"),
        ("mixup", "not for text"),
    ),
    "export, run": (("export", NONE, *NEW), (NONE, "tlzoo finetune")),
    "export, data": (("export", "RUN", "--data", NONE, *NEW), (NONE, "does not exist")),
    "export, precision": (("export", "RUN", "--precision", "int4", *NEW), ("--precision int4", "int8")),
    "export, format": (("export", "RUN", "--format", "tar", *NEW), ("--format tar", "triton")),
    "export, out": (("export", "RUN", "--out", "."), ("it is a folder", "--out")),
    "adapt, run": (("adapt", NONE, "--target", "TEXTS", *NEW), (NONE, "tlzoo finetune")),
    "adapt, run exists": (("adapt", "RUN", "--target", "TEXTS", "--out", "RUN"), ("already exists",)),
    "adapt, target": (("adapt", "RUN", "--target", NONE, *NEW), (NONE, "does not exist")),
    "adapt, test": (("adapt", "RUN", "--target", "TEXTS", "--test", NONE, *NEW), (NONE, "does not exist")),
    "adapt, few samples": (
        ("adapt", "RUN", "--target", "FEW", *NEW),
        ("20 target samples or more, not 2 (3 are given",),
    ),
    "adapt, other labels": (("adapt", "RUN", "--target", "TEXTS", "--test", "FEW", *NEW), ("FEW", "'terrible'")),
    "adapt, method": (("adapt", "RUN", "--target", "TEXTS", *NEW, "--method", "magic"), ("--method magic", "coral")),
    "adapt, method of a plugin": (
        ("adapt", "RUN", "--target", "TEXTS", *NEW, "--method", "nlp/magic"),
        ("Plugin 'nlp'", "coral"),
    ),
    "evaluate, model": (("evaluate", NONE, "TEXTS"), (NONE, "Name a run's folder or an exported ONNX file")),
    "evaluate, data": (("evaluate", "RUN", NONE), (NONE, "does not exist")),
    "evaluate, other labels": (("evaluate", "RUN", "FEW"), ("FEW", "'terrible'")),
    "evaluate, no run": (("evaluate", ".", "TEXTS"), ("is not a run folder",)),
    "predict, file": (("predict", NONE, "a text"), (NONE, "Name an exported ONNX file")),
    "verify, file": (("verify", NONE, "TEXTS"), (NONE, "Name an exported ONNX file")),
    "bench, file": (("bench", NONE), (NONE, "Name an exported ONNX file")),
}


@pytest.fixture(scope="module")
def refused(
    shared_zoo: Any, text_run: Any, texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str, list[str]]]:
    """What each of these commands said, run one after another in a process, and what had been imported by then."""
    few = tmp_path_factory.mktemp("few") / "FEW.csv"
    few.write_text("text,label\na film,terrible\na film,terrible\na room,terrible\n")
    names = {"FEW": str(few), "CHECKPOINT": "nlp/test-bert", "TEXTS": str(texts), "RUN": str(text_run.path)}
    given = [[names.get(word, word) for word in arguments] for arguments, _ in CASES.values()]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(given),
        env={**os.environ, **shared_zoo.environment},
        cwd=tmp_path_factory.mktemp("refused"),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_one_line_before_torch_is_imported(refused: dict[str, Any], case: str):
    code, said, imported = refused[case]
    assert (code, said.count("\n")) == (2, 1), said
    assert [word for word in CASES[case][1] if word not in said] == []
    assert imported == []
