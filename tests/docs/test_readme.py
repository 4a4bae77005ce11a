"""What README.md and docs/ show works when typed as it stands."""

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tlzoo.plugins import hookspecs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.S | re.M)


def type_in(folder: Path, *command: str, **environment: str) -> str:
    """What a command prints when it succeeds; the `tlzoo` of this environment is on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, a.jpg and b.jpg: windows of two real photographs."""
    from skimage import data

    folder = tmp_path_factory.mktemp("reader")
    for name, photo in {"cat": data.chelsea(), "coffee": data.coffee()}.items():
        (folder / "photos" / name).mkdir(parents=True)
        whole = Image.fromarray(photo)
        for at in range(12):
            window = whole.crop((10 * at, 4 * at, 10 * at + 290, 4 * at + 240))
            window.save(folder / "photos" / name / f"{at}.jpg")
    shutil.copy(folder / "photos" / "cat" / "3.jpg", folder / "a.jpg")
    shutil.copy(folder / "photos" / "coffee" / "5.jpg", folder / "b.jpg")
    return folder


@pytest.fixture(scope="module")
def typed(folder: Path) -> list[str]:
    """What each line of the command-line quick start prints."""
    (commands,) = blocks("sh")
    return [type_in(folder, *line.split()) for line in commands.splitlines()]


@pytest.mark.release
def test_the_command_line_quick_start_works(typed: list[str]) -> None:
    predictions = [line.split("\t") for line in typed[4].splitlines()[1:]]
    assert [(path, label) for path, label, _ in predictions] == [("a.jpg", "cat"), ("b.jpg", "coffee")]


@pytest.mark.release
def test_the_python_quick_start_works(folder: Path) -> None:
    printed = type_in(folder, sys.executable, "-c", blocks("python")[0]).splitlines()
    assert [line.split()[:2] for line in printed[-2:]] == [["a.jpg", "cat"], ["b.jpg", "coffee"]]


@pytest.mark.release
def test_more_than_the_head_trains_from_python(folder: Path) -> None:
    accuracy, interval = type_in(folder, sys.executable, "-c", blocks("python")[1]).split(maxsplit=1)
    found = ast.literal_eval(interval)
    assert 0 <= found["low"] <= float(accuracy) <= found["high"] <= 1


@pytest.mark.release
def test_plain_onnxruntime_labels_the_picture_as_tlzoo_does(folder: Path, typed: list[str]) -> None:
    code = blocks("python")[2]
    check = "\nimport tlzoo; print(float(abs(tlzoo.load('photos.onnx').logits(['a.jpg']) - logits).max()))"
    label, difference = type_in(folder, sys.executable, "-c", code + check).split()
    assert label == "cat"
    assert float(difference) < 1e-4


@pytest.mark.release
def test_the_plugin_of_the_readme_trains_exports_and_predicts(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from tlzoo.weights.cache import sha256_of

    site = folder / "site"
    entry = (site / "tlzoo_tiny-1.0.dist-info").resolve()
    entry.mkdir(parents=True)
    (site / "tlzoo_tiny.py").write_text(blocks("python")[3])
    (declared,) = blocks("toml")
    name = re.search(r"^(\w+) = \"(\w+)\"$", declared, flags=re.M)
    assert name is not None
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: tlzoo-tiny\nVersion: 1.0\n")
    (entry / "entry_points.txt").write_text(f"[tlzoo]\n{name[1]} = {name[2]}\n")

    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 16, 3, stride=2)
    weights = folder / "tiny.safetensors"
    save_file({f"conv.{key}": value for key, value in convolution.state_dict().items()}, weights)
    pinned = {"path": weights.name, "sha256": sha256_of(weights), "size": weights.stat().st_size}
    preprocess = {"kind": "image", "size": [32, 32], "mean": [0, 0, 0], "std": [1, 1, 1]}
    checkpoint = {
        "id": "tiny/first",
        "architecture": "tiny",
        "source": {"kind": "file", "files": [pinned]},
        "tasks": ["image-classification"],
        "parameters": 448,
        "feature_dim": 16,
        "preprocess": preprocess,
    }

    registry = folder / "tiny.json"
    registry.write_text(json.dumps({"schema_version": 1, "checkpoints": [checkpoint]}))
    environment = {"PYTHONPATH": str(site), "TLZOO_REGISTRY": str(registry)}
    type_in(folder, "tlzoo", "finetune", "tiny/first", "photos", "--out", "runs/tiny", **environment)
    type_in(folder, "tlzoo", "export", "runs/tiny", "--out", "tiny.onnx", **environment)
    assert "a.jpg\tcat" in type_in(folder, "tlzoo", "predict", "tiny.onnx", "a.jpg")


@pytest.mark.parametrize("document", ["README.md", "docs/training.md"])
def test_the_tables_are_those_of_the_registry_and_of_the_options(document: str) -> None:
    type_in(ROOT, sys.executable, "-m", "cogapp", "--check", document)


def test_every_command_line_in_the_docs_on_training_has_options_that_there_are() -> None:
    commands = [line for text in (README, TRAINING) for block in blocks("console", text) for line in block.splitlines()]
    lines = [line.split("#")[0] for line in commands if line.startswith("tlzoo finetune")]
    assert len(lines) >= 7
    known = type_in(ROOT, "tlzoo", "finetune", "--help", COLUMNS="200")
    flags = {
        word for text in (*lines, *re.findall(r"`(--[^`]*)`", TRAINING)) for word in re.findall(r"--[a-z0-9-]+", text)
    }
    assert {flag for flag in flags if flag not in known} == set()


def test_every_hook_s_signature_stands_in_the_docs() -> None:
    documented = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    hooks = {
        name: f"`{name}({', '.join(inspect.signature(hook).parameters)})`"
        for name, hook in vars(hookspecs).items()
        if hasattr(hook, "tlzoo_spec")
    }
    assert len(hooks) == 11
    assert {name for name, signature in hooks.items() if signature not in documented} == set()
