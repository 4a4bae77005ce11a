"""Real labelled data for the benchmarks: MNIST's digits, and snippets of film reviews, of which there are most."""

from __future__ import annotations

from pathlib import Path

CHECKPOINT = {"vision": "vision/efficientnet-lite0", "nlp": "nlp/all-minilm-l6-v2"}


def prepare(modality: str, folder: Path, n_train: int, n_test: int) -> tuple[Path, Path]:
    """A folder per digit or a CSV of texts, for training and for the test; together at most 5,000 or 9,900 samples."""
    if modality == "vision":
        from tlzoo.demo.digits import prepare as digits

        data = digits(folder, n_train=n_train, n_test=n_test)
        return data / "train", data / "test"
    from tlzoo.demo.tweets import prepare as texts

    folder.mkdir()
    return texts(folder, n_train=n_train, n_test=n_test, domain="films")
