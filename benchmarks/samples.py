"""Real labelled data for the benchmarks: MNIST's digits, and snippets of film reviews, of which there are most;
and models trained on the demonstration's data, to measure what is done with a finished one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FILMS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
CHECKPOINT = {"vision": "vision/efficientnet-lite0", "nlp": "nlp/all-minilm-l6-v2"}


def prepare(modality: str, folder: Path, n_train: int, n_test: int) -> tuple[Path, Path]:
    """A folder per digit or a CSV of texts, for training and for the test; together at most 5,000 or 9,900 samples."""
    if modality == "vision":
        from tlzoo.demo.digits import prepare as digits

        data = digits(folder, n_train=n_train, n_test=n_test)
        return data / "train", data / "test"
    from tlzoo.demo.tweets import prepare as texts

    folder.mkdir()
    return texts(folder, n_train=n_train, n_test=n_test, table=FILMS)


MODALITIES = ("vision", "nlp", "speech")


def trained(modality: str, folder: Path) -> Path:
    """A run on the demonstration's weights, data and options: digits, tweets or spoken commands."""
    import tlzoo
    from tlzoo.demo.chain import DEMOS
    from tlzoo.weights import cache

    demo, data = DEMOS[modality], cache.root() / "demo-data" / modality
    demo.prepare(data)
    print(f"Training {demo.checkpoint} on {demo.data}", flush=True)
    return tlzoo.finetune(demo.checkpoint, data, out=folder / modality, preprocess=demo.preprocess).path


def exported(modality: str, run: Path | None, folder: Path) -> Path:
    """The fp32 file of a run, by default of one that is trained here."""
    from tlzoo.workflows.run import Run

    made = Run.load(run or trained(modality, folder)).export(folder / f"{modality}.onnx")
    return made.path


def by_modality(given: Sequence[Path]) -> dict[str, Path]:
    """Runs or exported files under the modality that each is for, asked of themselves."""
    return {_modality(path): path for path in given}


def _modality(path: Path) -> str:
    import tlzoo
    from tlzoo.workflows.run import Run

    found = (Run.load(path) if path.is_dir() else tlzoo.load(path)).task.modality
    return {"image": "vision", "text": "nlp", "audio": "speech"}[found]


def test_inputs(modality: str, many: int) -> list[str]:
    """Files or texts of the demonstration's test part, drawn with a seed of 0; at most `many`."""
    import random

    from tlzoo.data import read
    from tlzoo.demo.chain import DEMOS
    from tlzoo.tasks import make_task
    from tlzoo.weights import cache

    data = cache.root() / "demo-data" / modality
    DEMOS[modality].prepare(data)
    kind = {"vision": "image", "nlp": "text", "speech": "audio"}[modality]
    part = read(data, make_task(f"{kind}-classification")).test
    assert part is not None
    inputs = [str(item) for item in part.inputs]
    random.Random(0).shuffle(inputs)
    return inputs[:many]
