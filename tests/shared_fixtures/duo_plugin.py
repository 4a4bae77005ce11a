"""The plugin `duo`, which adds one of everything, installed beside the small zoo."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent / "duo"
ENTRY_POINTS = """
[tlzoo]
duo = tlzoo_duo.plugin

[tlzoo.tasks]
two = duo
pair = duo
longest = duo
steps = duo
both = duo

[tlzoo.adaptation]
adabn = duo

[tlzoo.strategies]
head-only = duo
fixed = duo

[tlzoo.formats]
named = duo
"""


def install(site: Path, name: str = "duo", entry_points: str = ENTRY_POINTS) -> None:
    """Put the distribution `tlzoo-<name>` with these entry points into the folder `site`."""
    info = site / f"tlzoo_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tlzoo-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def _entry(file: Path, name: str, task: str, parameters: int, preprocess: dict[str, Any]) -> dict[str, Any]:
    files = [{"path": str(file), "sha256": hashlib.sha256(b"none").hexdigest(), "size": 4}]
    return {
        "id": f"duo/{name}",
        "architecture": name,
        "source": {"kind": "file", "files": files},
        "license": "Apache-2.0",
        "tasks": [task],
        "parameters": parameters,
        "feature_dim": 12,
        "preprocess": preprocess,
    }


@pytest.fixture(scope="module")
def duo_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import from, with the plugin in it."""
    site = tmp_path_factory.mktemp("duo")
    install(site)
    shutil.copytree(HERE, site / "tlzoo_duo", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "tlzoo_duo" / "__init__.py").write_text("")
    return site


@pytest.fixture
def duo_site(duo_files: Path) -> Path:
    """The folder that the plugin is imported from."""
    return duo_files


@pytest.fixture
def duo(zoo: Any, duo_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The zoo with the plugin `duo` and its checkpoint `duo/means`; the folder of `zoo` holds the data."""
    from tlzoo import plugins

    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "none").write_text("none")
    registry = json.loads((zoo.folder / "registry.json").read_text())
    image = {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]}
    registry["checkpoints"] += [
        _entry(tmp_path / "weights" / "none", "means", "image-classification", 156, image),
        _entry(tmp_path / "weights" / "none", "words", "text-classification", 768, {"kind": "text", "max_length": 16}),
    ]
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "registry.json"))
    monkeypatch.syspath_prepend(duo_site)
    plugins.import_plugin.cache_clear()
    yield zoo
    plugins.import_plugin.cache_clear()
    for name in [name for name in sys.modules if name.startswith("tlzoo_duo")]:
        del sys.modules[name]


@pytest.fixture
def duo_copy(duo_files: Path, tmp_path: Path) -> Path:
    """A copy of the plugin that a test may change; a module whose tests do so has it as `duo_site`."""
    return Path(shutil.copytree(duo_files, tmp_path / "faulty"))


@pytest.fixture
def faulty(duo: Any, duo_site: Path) -> Callable[..., None]:
    """Appends code to a module of the plugin."""

    def change(module: str, code: str) -> None:
        with (duo_site / "tlzoo_duo" / f"{module}.py").open("a") as file:
            file.write(f"\n\n{code}\n")

    return change


@pytest.fixture
def reload_duo(duo: Any) -> Callable[[], None]:
    """Lets the plugin be imported anew."""
    from tlzoo import plugins

    def forget() -> None:
        plugins.import_plugin.cache_clear()
        for name in [name for name in sys.modules if name.startswith("tlzoo_duo")]:
            del sys.modules[name]

    return forget


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """Pictures, the brighter the higher their number."""
    random = np.random.default_rng(0)
    rows = ["path,label"]
    for at in range(60):
        value = random.uniform(-2, 2)
        pixels = np.full((10, 10, 3), 128 + 55 * value) + random.normal(0, 4, (10, 10, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{at}.png")
        rows.append(f"{at}.png,{value:.3f}")
    (tmp_path / "numbers.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "numbers.csv"


@pytest.fixture
def train(command: Any, numbers: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`tlzoo finetune duo/means` that has to fail: it leaves no run, begun or finished."""

    def run(*arguments: str, task: str = "two") -> Any:
        usual = {"--strategy": "finetune", "--epochs": "1", "--batch": "8", "--lr": "0.01", "--freeze": "all"}
        options = [each for pair in usual.items() if pair[0] not in arguments for each in pair]
        out = ("--out", tmp_path / "run")
        return command("finetune", "duo/means", numbers, *out, "--task", task, *options, "--quiet", *arguments)

    yield run
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.unfinished").exists()
