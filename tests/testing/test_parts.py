"""The parts of the conformance suite by themselves: samples, shapes, entries, what checks share, results."""

from __future__ import annotations

import csv
import json
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
import torch
from PIL import Image

from tlzoo.errors import PluginError, UsageError
from tlzoo.registry import files
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import AudioSpec, ImageSpec, PluginSpec, TextSpec
from tlzoo.testing import PluginSuite, running, samples, shapes
from tlzoo.testing.base import ConformanceNote, SkippedCheck, SuiteBase, cached, requires
from tlzoo.testing.entries import Entries

IMAGE = ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
TEXT, AUDIO = TextSpec(max_length=8), AudioSpec(sample_rate=8000, seconds=0.5)


def test_pictures_are_twelve_of_each_colour(tmp_path: Path):
    assert samples.write(IMAGE, tmp_path) == tmp_path
    for label, colour in samples.COLOURS.items():
        found = sorted((tmp_path / label).iterdir())
        assert [path.name for path in found] == [f"{n:02}.png" for n in range(12)]
        for path in found:
            with Image.open(path) as picture:
                assert all(40 <= side < 70 for side in picture.size)
                middle = torch.from_numpy(np.asarray(picture.convert("RGB")).mean((0, 1)))
            assert (middle - torch.tensor(colour)).abs().max() < 25


def test_texts_are_words_of_their_label_and_fillers(tmp_path: Path):
    rows = list(csv.DictReader(samples.write(TEXT, tmp_path).open()))
    assert [row["label"] for row in rows] == ["bad"] * 12 + ["good"] * 12
    for row in rows:
        words = row["text"].split()
        half = len(words) // 2
        assert 1 <= half <= 4
        assert set(words[:half]) <= set(samples.WORDS[row["label"]])
        assert set(words[half:]) <= set(samples.FILLERS)


def test_recordings_are_about_as_long_as_the_model_hears(tmp_path: Path):
    samples.write(AUDIO, tmp_path)
    lengths = []
    for label in ("noise", "tone"):
        for path in sorted((tmp_path / label).iterdir()):
            with wave.open(str(path)) as file:
                assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
                lengths.append(file.getnframes())
    assert len(lengths) == 24
    assert min(lengths) >= 2000
    assert max(lengths) <= 4800


def test_other_preprocessing_has_no_samples(tmp_path: Path):
    with pytest.raises(AssertionError, match="no samples for preprocessing of kind 'plugin'"):
        samples.write(PluginSpec(plugin="own"), tmp_path)


def test_broken_inputs_are_empty_noise_missing_and_torn(tmp_path: Path):
    good = tmp_path / "good.wav"
    good.write_bytes(b"0123456789")
    assert samples.broken(TEXT, tmp_path, "x") == [None, b"bytes", 7]
    for spec, torn in ((AUDIO, True), (IMAGE, True), (PluginSpec(plugin="own"), False)):
        first, empty, noise, missing, *rest = samples.broken(spec, tmp_path, good)
        assert (first, Path(empty).read_bytes(), len(Path(noise).read_bytes())) == (b"", b"", 500)
        assert not Path(missing).exists()
        assert [Path(each).read_bytes() for each in rest] == ([b"01234"] if torn else [])
        assert {Path(each).suffix for each in (empty, noise, missing, *rest)} == {".wav"}


@pytest.mark.parametrize(
    ("vocabulary", "pad", "ids"), [(3, 0, {1, 2}), (3, 1, {0, 2}), (1, 0, {0}), (99, 0, set(range(1, 18)))]
)
def test_a_tokenizers_ids_are_below_the_vocabulary(vocabulary: int, pad: int, ids: set[int]):
    document = json.loads(samples.word_tokenizer(TextSpec(max_length=8, pad_id=pad), vocabulary))
    known = document["model"]["vocab"]
    assert set(known.values()) == ids
    assert (min(known, key=known.get), document["model"]["unk_token"]) == ("[UNK]", "[UNK]")


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([2.0, 4.0], [2.0, 4.0], 0.0),
        ([2.0, -4.0], [2.0, -3.0], 0.25),
        ([0.0], [1e-12], 1.0),
        ([1.0], [1.0, 2.0], float("inf")),
    ],
)
def test_a_difference_is_a_share_of_the_largest_value(one: list[float], other: list[float], difference: float):
    found = shapes.relative_difference(torch.tensor(one), torch.tensor(other))
    assert found == pytest.approx(difference)


def backbone(axes: Any, spec: Any = IMAGE, **inputs: torch.Tensor) -> Any:
    return SimpleNamespace(module=lambda *given: given, example_inputs=inputs, dynamic_axes=axes, preprocess=spec)


def test_outputs_are_one_or_side_by_side():
    two = backbone({}, a=torch.ones(2, 3), b=torch.zeros(2, 2, 2))
    assert shapes.outputs_of(two).tolist() == [[1, 1, 1, 0, 0, 0, 0]] * 2
    one = backbone({}, a=torch.ones(2, 3))
    assert shapes.outputs_of(one).shape == (2, 3)
    assert shapes.outputs_of(one, {"a": torch.ones(5, 1)}).shape == (5, 1)


@pytest.mark.parametrize(
    ("axes", "spec", "axis", "sizes"),
    [
        ({"a": {0: "batch"}}, IMAGE, "batch", [(1, 4), (3, 4), (5, 4)]),
        ({"a": {0: "batch", 1: "n"}}, IMAGE, "n", [(2, 3), (2, 5)]),
        ({"input_ids": {0: "batch", 1: "n"}}, TextSpec(max_length=4), "n", [(2, 3)]),
        ({"input_ids": {0: "batch", 1: "n"}}, TextSpec(max_length=4), "batch", [(1, 4), (3, 4), (5, 4)]),
    ],
)
def test_axes_that_vary_are_tried_shorter_and_longer(axes: Any, spec: Any, axis: str, sizes: list[tuple[int, int]]):
    name = next(iter(axes))
    made = backbone(axes, spec, **{name: torch.arange(8).reshape(2, 4)})
    found = shapes._resized(made, axis)
    assert [tuple(inputs[name].shape) for inputs, _ in found] == sizes
    assert [size for _, size in found] == [shape[0 if axis == "batch" else 1] for shape in sizes]
    assert found[-1][0][name].flatten()[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "The backbone has no example inputs."),
        ({"a": torch.ones(1, 2)}, "Example inputs have batches of [1]; give 2 or more, all alike."),
        ({"a": torch.ones(2), "b": torch.ones(3)}, "Example inputs have batches of [2, 3]; give 2 or more, all alike."),
        ({"a": torch.ones(2), "b": torch.ones(2)}, ""),
    ],
)
def test_example_inputs_are_a_batch(inputs: dict[str, torch.Tensor], said: str):
    if not said:
        shapes._check_examples(backbone({}, **inputs))
        return
    with pytest.raises(AssertionError) as wrong:
        shapes._check_examples(backbone({}, **inputs))
    assert str(wrong.value) == said
    shared = torch.ones(2)
    with pytest.raises(AssertionError, match="share one tensor"):
        shapes._check_examples(backbone({}, a=shared, b=shared[:]))


def test_what_checks_share_is_made_once_and_so_is_its_error():
    made: list[str] = []

    class Suite(SuiteBase):
        @cached
        def value(self) -> int:
            made.append("value")
            return 3

        @cached
        def fault(self) -> int:
            made.append("fault")
            raise ValueError("once")

        def test_right(self) -> None:
            self.value()

        def test_wrong(self) -> None:
            raise AssertionError

        def test_nothing(self) -> None:
            raise SkipTest("nothing to judge")

        @requires("test_right", "test_nothing")
        def test_after(self) -> None:
            made.append("after")

        @requires("test_wrong")
        def test_never(self) -> None:
            made.append("never")

        @requires("test_never")
        def test_neither(self) -> None:
            made.append("neither")

    suite = Suite()
    assert [suite.value(), Suite().value()] == [3, 3]
    for _ in range(2):
        with pytest.raises(ValueError, match="once"):
            suite.fault()
    suite.test_after()
    with pytest.raises(SkippedCheck, match=r"^Skipped until test_wrong passes\.$"):
        suite.test_never()
    with pytest.raises(SkippedCheck, match=r"^Skipped until test_never passes\.$"):
        suite.test_neither()
    assert made == ["value", "fault", "after"]
    assert SuiteBase._cache is not Suite._cache
    folder = suite.folder()
    assert folder.is_dir()
    Suite.teardown_class()
    assert (folder.exists(), Suite._cache) == (False, {})


@pytest.mark.parametrize(
    ("task", "outputs", "first"),
    [("", ("vector",), "vector"), ("", ("map", "vector"), "vector"), ("", ("map", "sequence"), "map")],
)
def test_heads_get_a_vector_where_there_is_one(task: str, outputs: Any, first: str):
    suite = SuiteBase()
    suite.outputs = outputs
    assert suite.first_output() == first


def test_a_suite_names_an_installed_plugin():
    suite = SuiteBase()
    with pytest.raises(AssertionError, match="The suite names no plugin"):
        suite.installed()
    suite.plugin = "nobody"
    with pytest.raises(AssertionError, match=r"^No plugin 'nobody' is installed\."):
        suite.installed()
    suite.plugin = "vision"
    assert suite.installed().distribution == "tlzoo-vision"


def entry(**fields: Any) -> Checkpoint:
    source = {"kind": "url", "url": "https://example.org/w.bin", "sha256": "ab" * 32, "size": 3}
    plain = {
        "id": "my/net",
        "architecture": "net",
        "tasks": ["text-classification"],
        "parameters": 100,
        "feature_dim": 4,
    }
    return Checkpoint.model_validate(
        {**plain, "preprocess": TEXT.model_dump(), "source": source, "license": "MIT", **fields}
    )


def suite_of(monkeypatch: pytest.MonkeyPatch, *entries: Checkpoint) -> Any:
    made = type("Made", (Entries,), {"plugin": "my"})()
    monkeypatch.setattr(made, "entries", lambda: entries)
    monkeypatch.setattr(made, "installed", lambda: None)
    return made


@pytest.mark.parametrize(
    ("stages", "right"),
    [((), True), ((100,), True), ((50, 40), True), ((50, 60), True), ((89,), False), ((111,), False)],
)
def test_stages_sum_to_an_entrys_parameters(monkeypatch: pytest.MonkeyPatch, stages: tuple[int, ...], right: bool):
    records = [{"name": f"s{n}", "parameters": count} for n, count in enumerate(stages)]
    suite = suite_of(monkeypatch, entry().model_copy(update={"stages": entry(stages=records).stages}))
    if right:
        suite.test_its_entries_are_valid()
    else:
        with pytest.raises(AssertionError, match=rf"^Entry 'my/net' has 100 parameters, its stages {sum(stages)}\."):
            suite.test_its_entries_are_valid()


def test_entries_are_the_plugins_own_and_have_licences(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AssertionError, match=r"^Entry 'other/net' is not of plugin 'my'\. Start its id with 'my/'\.$"):
        suite_of(monkeypatch, entry(), entry(id="other/net")).test_its_entries_are_valid()
    suite_of(monkeypatch, entry()).test_its_entries_have_licences()
    with pytest.warns(ConformanceNote, match=r"^No licence is known of my/net\. Set"):
        suite_of(monkeypatch, entry(license=None)).test_its_entries_have_licences()
    assert suite_of(monkeypatch)._own_files() == [one for one in files.origins() if one.prefix == "my/"]


HUB = {"kind": "hub", "repo": "me/net"}


@pytest.mark.parametrize(
    ("revision", "hashes", "outcome"),
    [(True, True, "pinned"), (True, False, "loose"), (False, False, "loose"), (False, True, "wrong")],
)
def test_files_of_a_hub_are_pinned_or_told(monkeypatch: pytest.MonkeyPatch, revision: bool, hashes: bool, outcome: str):
    file = {"path": "w", **({"sha256": "ab" * 32, "size": 3} if hashes else {})}
    suite = suite_of(
        monkeypatch, entry(), entry(source={**HUB, "files": [file], **({"revision": "a" * 40} if revision else {})})
    )
    if outcome == "wrong":
        with pytest.raises(AssertionError, match="pins files of me/net and not the commit"):
            suite.test_its_files_are_pinned()
    elif outcome == "loose":
        with pytest.warns(ConformanceNote, match=r"^Pinned only on first use, in tlzoo\.lock: my/net\."):
            suite.test_its_files_are_pinned()
    else:
        suite.test_its_files_are_pinned()


@pytest.mark.parametrize(
    ("chosen", "checkpoints", "left"),
    [
        (None, ["a/x"], None),
        ("my", [None], "my"),
        ("my,b", ["a/x", "b/y", None, "a/z"], "my,b,a"),
        ("", [entry()], "my"),
    ],
)
def test_plugins_of_the_suites_checkpoints_count(
    monkeypatch: pytest.MonkeyPatch, chosen: Any, checkpoints: Any, left: Any
):
    import os

    monkeypatch.setenv("TLZOO_PLUGINS", chosen or "")
    if chosen is None:
        monkeypatch.delenv("TLZOO_PLUGINS")
    running._enable_plugins_of([SimpleNamespace(checkpoint=each) for each in checkpoints])  # type: ignore[misc]
    assert os.environ.get("TLZOO_PLUGINS") == left


def test_a_suite_is_a_class_of_suites():
    assert running._suite("my", "my", "tlzoo.testing:PluginSuite") is PluginSuite
    for value, why in (
        ("tlzoo.testing:run", "TypeError: it is not a subclass of tlzoo.testing.PluginSuite"),
        ("json:JSONDecoder", "TypeError: it is not a subclass of tlzoo.testing.PluginSuite"),
    ):
        with pytest.raises(PluginError) as refused:
            running._suite("my", "my", value)
        assert refused.value.message == f"The conformance suite of 'my', {value}, cannot be used: {why}."
    with pytest.raises(UsageError, match=r"^There is no check 'test_none'\."):
        running.run(PluginSuite, ["test_none"])
    (generic,) = running.suites_of("nobody").items()
    assert (generic[0], generic[1].plugin) == ("", "nobody")
