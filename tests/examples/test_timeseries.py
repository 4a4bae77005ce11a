"""The example plugin from a clean environment: installed by tlzoo, checked, trained, adapted, exported, predicted."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.release
PLUGIN = Path(__file__).parents[2] / "examples" / "tlzoo-timeseries"


def answers(environment: Any, *arguments: str | Path) -> Any:
    """What `tlzoo ... --json` prints."""
    return json.loads(environment.ran("tlzoo", *arguments, "--json"))


@pytest.fixture(scope="module")
def gunpoint(trainer: Any) -> Path:
    """GunPoint's 50 training and 150 test series; beside it the test series of a worse sensor."""
    trainer.ran("python", PLUGIN / "get_data.py", "GunPoint", "gunpoint", "--shift", "shifted")
    return trainer.folder / "gunpoint"


@pytest.fixture(scope="module")
def trained(trainer: Any, gunpoint: Path) -> dict[str, Any]:
    """A probe on 500 kernels, which no registry lists."""
    return answers(trainer, "finetune", "timeseries/rocket-500", gunpoint, "--out", "run")


@pytest.fixture(scope="module")
def exported(trainer: Any, trained: dict[str, Any]) -> dict[str, Any]:
    """The one file, with its proof."""
    return answers(trainer, "export", "run", "--out", "gunpoint.onnx")


def test_the_wheel_carries_the_weights_that_its_registry_pins_and_the_sdist_their_recipe(
    trainer: Any, uv: str, tmp_path: Path
):
    import subprocess

    done = subprocess.run([uv, "build", "--quiet", "--out-dir", tmp_path, PLUGIN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert {"tlzoo_timeseries/weights/rocket.safetensors", "tlzoo_timeseries/registry.json"} <= names
    assert not [name for name in names if not name.startswith("tlzoo_timeseries")]
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"hatch_build.py", "get_data.py", "LICENSE", "tests/test_series.py"} <= names
    assert not [name for name in names if name.endswith(".safetensors")]


def test_it_is_listed_with_its_hooks_and_checkpoints(trainer: Any):
    [row] = answers(trainer, "plugins", "list")
    assert (row["name"], row["distribution"], row["status"]) == ("timeseries", "tlzoo-timeseries", "ok")
    listed = [entry["id"] for entry in answers(trainer, "models") if entry["plugin"] == "timeseries"]
    assert {"timeseries/rocket-1000", "timeseries/rocket-10000"} <= set(listed)


def test_it_passes_check(trainer: Any):
    done = trainer.run("tlzoo", "plugins", "check", "timeseries", "--json")
    failed = [row for row in json.loads(done.stdout)["checks"] if not row["passed"]]
    assert (failed, done.returncode) == ([], 0)


def test_its_own_tests_pass_where_it_is_installed(trainer: Any):
    own = [PLUGIN / "tests" / name for name in ("test_series.py", "test_backbones.py")]
    trainer.ran("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", PLUGIN, *own)


def test_it_trains_and_the_exported_file_is_proven_equal(trained: dict[str, Any], exported: dict[str, Any]):
    assert (trained["task"], trained["n"]["test"]) == ("timeseries-classification", 150)
    assert trained["metrics"]["accuracy"] >= 0.99
    assert exported["parity"]["top1_agreement"] == 1


def test_adapting_to_a_worse_sensor_wins_back_most_of_what_it_costs(trainer: Any, exported: dict[str, Any]):
    before = answers(trainer, "evaluate", "gunpoint.onnx", "shifted")["metrics"]["accuracy"]
    trainer.ran("tlzoo", "adapt", "run", "--target", "shifted", "--test", "shifted", "--out", "adapted")
    after = answers(trainer, "evaluate", "adapted", "shifted")["metrics"]["accuracy"]
    assert before < 0.7
    assert after > 0.85


def test_a_part_of_it_can_be_trained_with_its_own_head(trainer: Any, gunpoint: Path):
    flags = ("--strategy", "finetune", "--freeze", "until:dilation-8", "--epochs", "3", "--lr", "1e-3")
    shape = ("--preprocess", "length=64", "--preprocess", "fit=resample")
    done = answers(trainer, "finetune", "timeseries/rocket-500", gunpoint, "--out", "tuned", *flags, *shape)
    kernels, normalisation, linear = 100 * 10, 2 * 1000, 2 * 1000 + 2
    assert done["frozen"]["trained"] == kernels + normalisation + linear
    assert done["metrics"]["accuracy"] > 0.6


def test_without_torch_the_file_predicts_the_same(trainer: Any, predictor: Any, exported: dict[str, Any]):
    absent = "from importlib.util import find_spec; print(find_spec('torch'), find_spec('sklearn'))"
    assert predictor.ran("python", "-c", absent).strip() == "None None"
    file, series = trainer.folder / "gunpoint.onnx", trainer.folder / "gunpoint" / "test" / "1"
    here, there = (answers(each, "predict", file, series)["predictions"] for each in (trainer, predictor))
    assert len(here) == len(list(series.iterdir()))
    assert here == there
    (predictor.folder / "gap.csv").write_text("level\n1\n\nnan\n")
    done = predictor.run("tlzoo", "predict", file, "gap.csv")
    assert done.returncode == 2
    assert "gap.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_torch_what_needs_it_says_what_to_install(predictor: Any, gunpoint: Path):
    done = predictor.run("tlzoo", "finetune", "timeseries/rocket-500", gunpoint, "--out", "run")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "tlzoo[train]" in done.stderr


def test_it_forecasts_by_the_commands_of_its_page(trainer: Any):
    page = (PLUGIN.parents[1] / "docs" / "timeseries.md").read_text("utf-8")
    [block] = [block for block in page.split("```") if block.startswith("\npython get_data.py")]
    for line in block.strip().splitlines():
        words = line.partition("#")[0].split()
        trainer.ran(words[0], *(PLUGIN / word if word == "get_data.py" else word for word in words[1:]))
    metrics = json.loads((trainer.folder / "runs" / "hours" / "run.json").read_text())["metrics"]
    assert metrics["mae"] < 1.5  # in standard deviations of a series
    document = answers(trainer, "export", "runs/hours", "--out", "hours.onnx")
    assert {"mae", "coverage"} <= set(document["metrics"]["exported"])
    [answer] = answers(trainer, "predict", "hours.onnx", "hours/0000.csv")["predictions"]
    assert [len(answer[name]) for name in ("values", "low", "high")] == [4, 4, 4]
