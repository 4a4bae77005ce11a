"""CORAL: the statistics are the target's, a shift is undone, and no label of the target is looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlzoo
from tlzoo.adaptation.coral import coral_align, coral_probe
from tlzoo.adaptation.methods import adapt_with_coral
from tlzoo.errors import DataError, HookError, PluginError, RunError, TrainingError, UsageError
from tlzoo.models.heads import probe_objective
from tlzoo.tasks import make_task
from tlzoo.tasks.intervals import wilson_interval
from tlzoo.training.strategies.probe_fit import STRENGTHS, FittedProbe, fit_probe

DIM = 6
OBJECTIVE = probe_objective(make_task("image-classification", ["a", "b"]), {})


def domain(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes apart along one direction, correlated features."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(3).normal(size=(DIM, DIM))
    targets = random.integers(0, 2, count)
    features = random.normal(size=(count, DIM))
    features[:, 0] += np.where(targets, 2.5, -2.5)
    return (features @ mixing).astype(np.float32), targets


def shifted(features: np.ndarray) -> np.ndarray:
    """The known linear shift: features mixed, stretched, and moved along what tells the classes apart."""
    random = np.random.default_rng(5)
    shift = np.diag(random.uniform(0.2, 4, DIM)) + 0.3 * random.normal(size=(DIM, DIM))
    along = np.random.default_rng(3).normal(size=(DIM, DIM))[0]
    return ((features + 6 * along) @ shift).astype(np.float32)


def accuracy(probe: FittedProbe, features: np.ndarray, targets: np.ndarray) -> float:
    logits = features @ probe.weight.numpy().T + probe.bias.numpy()
    return float((logits.argmax(axis=1) == targets).mean())


def test_aligned_features_have_the_targets_covariance_with_the_identity_added_to_both():
    source, target = domain(500, 0)[0], shifted(domain(400, 1)[0])
    eye = np.eye(DIM)
    whitening = np.linalg.lstsq(source, coral_align(source, target), rcond=None)[0]
    recoloured = whitening.T @ (np.cov(source, rowvar=False) + eye) @ whitening
    np.testing.assert_allclose(recoloured, np.cov(target, rowvar=False) + eye, rtol=1e-3, atol=1e-3)


def test_features_that_have_the_targets_statistics_already_stay_as_they_are():
    source = domain(300, 0)[0]
    np.testing.assert_allclose(coral_align(source, source), source, atol=1e-4)


def test_a_known_shift_is_undone_as_far_as_second_moments_tell():
    train, validation, (target, labels) = domain(400, 0), domain(100, 1), domain(500, 2)
    plain = fit_probe(train, validation, OBJECTIVE)
    adapted = coral_probe(train, validation, shifted(target), OBJECTIVE)
    assert accuracy(plain, target, labels) > 0.95
    assert accuracy(plain, shifted(target), labels) < 0.8
    assert accuracy(adapted, shifted(target), labels) > accuracy(plain, shifted(target), labels) + 0.1


def test_more_features_than_samples_are_no_obstacle():
    random = np.random.default_rng(0)
    features = random.normal(size=(12, 40)).astype(np.float32)
    targets = np.arange(12) % 2
    probe = coral_probe((features[:8], targets[:8]), (features[8:], targets[8:]), features[:3], OBJECTIVE)
    assert np.isfinite(probe.weight.numpy()).all()


def dim_copy(pictures: Path, folder: Path) -> Path:
    """The same pictures, darker and yellower, in one flat folder of meaningless names."""
    folder.mkdir()
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        pixels = np.asarray(Image.open(path)).astype(float) * [0.5, 0.45, 0.2]
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def test_a_run_is_adapted_to_a_flat_folder_without_labels(zoo: Any, picture_run: Any, pictures: Path, tmp_path: Path):
    target = dim_copy(pictures, tmp_path / "target")
    adapted = tlzoo.adapt(picture_run, target, out=tmp_path / "adapted")
    assert adapted.adapted is not None
    assert (adapted.adapted["method"], adapted.adapted["n_target"]) == ("coral", 36)
    assert (picture_run.task, picture_run.data) == (adapted.task, adapted.data)
    before, after = picture_run.model().state_dict(), adapted.model().state_dict()
    assert {"head.weight", "head.bias"} == {name for name in before if not before[name].equal(after[name])}


def test_labels_of_the_target_are_not_read(zoo: Any, text_run: Any, texts: Path, tmp_path: Path):
    rows = texts.read_text().splitlines()
    (tmp_path / "bare.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows) + "\n")
    wrong = [row.rpartition(",")[0] + ",never seen" for row in rows[1:]]
    (tmp_path / "wrong.csv").write_text("\n".join(["text,label", *wrong]) + "\n")
    heads = [
        tlzoo.adapt(text_run, tmp_path / f"{name}.csv", out=tmp_path / name).model().head.weight.detach().numpy()
        for name in ("bare", "wrong")
    ]
    np.testing.assert_array_equal(heads[0], heads[1])


def test_without_source_data_coral_says_that_it_needs_them(zoo: Any, picture_run: Any):
    target = picture_run.dataset(picture_run.splits().test)
    with pytest.raises(UsageError, match="source data"):
        adapt_with_coral(picture_run.model(), None, target, {"n_train": 1})


def test_an_unknown_method_is_answered_with_those_there_are(zoo: Any, picture_run: Any, pictures: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="'magic'") as error:
        tlzoo.adapt(picture_run, pictures, out=tmp_path / "out", method="magic")
    assert "coral" in error.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 3, 19])
def test_few_target_samples_are_refused(zoo: Any, picture_run: Any, pictures: Path, tmp_path: Path, count: int):
    (tmp_path / "few").mkdir()
    for number, file in enumerate(sorted(pictures.rglob("*.png"))[:count]):
        shutil.copy(file, tmp_path / "few" / f"{number}.png")
    with pytest.raises(DataError, match=f"20 target samples or more, not {count}"):
        tlzoo.adapt(picture_run, tmp_path / "few", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_it_did_is_recorded_and_said(zoo: Any, picture_run: Any, pictures: Path, tmp_path: Path):
    adapted = tlzoo.adapt(picture_run, pictures, out=tmp_path / "out", test=pictures)
    facts = adapted.adapted
    assert facts["source_metrics_before"] == picture_run.metrics
    assert facts["source_metrics_after"] == adapted.metrics
    assert 0 <= facts["changed"] <= 1
    for when in ("before", "after"):
        assert sum(facts[f"answers_{when}"].values()) == pytest.approx(1, abs=1e-3)
        assert set(facts[f"target_metrics_{when}"]) == set(adapted.metrics)


def write_texts(file: Path, texts: list[str]) -> Path:
    file.write_text("\n".join(["text", *texts]) + "\n")
    return file


@pytest.mark.parametrize(("different", "times"), [(3, 20), (1, 60), (19, 4)])
def test_copies_of_few_target_samples_are_refused(
    zoo: Any, text_run: Any, texts: Path, tmp_path: Path, different: int, times: int
):
    few = [row.rpartition(",")[0] for row in texts.read_text().splitlines()[1 : different + 1]]
    with pytest.raises(DataError, match=rf"20 target samples or more, not {different} \({different * times} are given"):
        tlzoo.adapt(text_run, write_texts(tmp_path / "target.csv", few * times), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_copies_among_enough_target_samples_are_counted_and_said(
    zoo: Any, text_run: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    known = sorted({row.rpartition(",")[0] for row in texts.read_text().splitlines()[1:]})
    adapted = tlzoo.adapt(text_run, write_texts(tmp_path / "target.csv", known * 2), out=tmp_path / "out")
    assert (adapted.adapted["n_target"], adapted.adapted["n_copies"]) == (2 * len(known), len(known))
    said = f"{len(known)} of {2 * len(known)} samples have the content of another"
    assert said in capfd.readouterr().err


def test_the_adapted_run_has_the_interval_of_its_own_headline(zoo: Any, text_run: Any, texts: Path, tmp_path: Path):
    adapted = tlzoo.adapt(text_run, texts, out=tmp_path / "out")
    assert adapted.interval["metric"] == "accuracy"
    right = round(adapted.metrics["accuracy"] * adapted.data.n_test)
    wilson = wilson_interval(right, adapted.data.n_test)
    assert (adapted.interval["low"], adapted.interval["high"]) == pytest.approx(wilson)


def test_the_adapted_run_knows_the_target_samples_again(zoo: Any, text_run: Any, make_texts: Any, tmp_path: Path):
    target, other = make_texts(tmp_path / "target.csv", seed=4), make_texts(tmp_path / "other.csv", seed=9)
    adapted = tlzoo.adapt(text_run, target, out=tmp_path / "out", test=target)
    assert tlzoo.evaluate(adapted.path, target).trained_on == 80
    assert tlzoo.evaluate(text_run.path, target).trained_on < 20
    assert tlzoo.evaluate(adapted.path, other).trained_on < 20
    assert (adapted.adapted["n_labelled"], adapted.adapted["n_labelled_in_target"]) == (80, 80)


def gibberish(file: Path, count: int = 60) -> Path:
    """Texts of one to thirty words that nobody knows, each another."""
    return write_texts(file, [" ".join([f"xx{at}"] * (1 + at % 30)) for at in range(count)])


def test_an_adaptation_to_garbage_that_ruins_the_source_is_refused(zoo: Any, make_texts: Any, tmp_path: Path):
    data, test = make_texts(tmp_path / "data.csv"), make_texts(tmp_path / "test.csv", seed=1)
    run = tlzoo.finetune("nlp/test-bert", data, test=test, out=tmp_path / "run")
    assert run.metrics["accuracy"] > 0.7
    with pytest.raises(
        TrainingError, match=r"collapsed on the source: accuracy goes from .* on its 80 held-out"
    ) as error:
        tlzoo.adapt(run, gibberish(tmp_path / "target.csv"), out=tmp_path / "out")
    assert "test" in error.value.hint
    assert not (tmp_path / "out").exists()


def test_a_refitted_head_keeps_its_class_weights_and_no_old_temperature(zoo: Any, make_texts: Any, tmp_path: Path):
    rows = make_texts(tmp_path / "all.csv").read_text().splitlines()
    first = rows[1].rpartition(",")[2]
    few = [row for row in rows[1:] if row.endswith(first)][:6] + [row for row in rows[1:] if not row.endswith(first)]
    (tmp_path / "data.csv").write_text("\n".join([rows[0], *few]) + "\n")
    target = make_texts(tmp_path / "target.csv", seed=1)
    heads = {}
    for weights in ("none", "balanced"):
        run = tlzoo.finetune(
            "nlp/test-bert", tmp_path / "data.csv", out=tmp_path / weights, class_weights=weights, l2=1e-3
        )
        adapted = tlzoo.adapt(run, target, out=tmp_path / f"{weights}-adapted")
        assert adapted.options["class_weights"] == weights
        assert "temperature" in run.options
        assert "temperature" not in adapted.options
        assert adapted.options["l2"] != 1e-3 or adapted.options["l2"] in STRENGTHS
        heads[weights] = adapted.model().head.weight.detach().numpy()
    assert np.abs(heads["none"] - heads["balanced"]).max() > 1e-3


def test_source_data_that_changed_since_training_are_refused(zoo: Any, make_texts: Any, tmp_path: Path):
    data, test = make_texts(tmp_path / "data.csv"), make_texts(tmp_path / "test.csv", seed=1)
    run = tlzoo.finetune("nlp/test-bert", data, test=test, out=tmp_path / "run")
    make_texts(data, seed=2)
    with pytest.raises(DataError, match="has changed"):
        tlzoo.adapt(run, test, out=tmp_path / "adapted")
    assert not (tmp_path / "adapted").exists()


def test_an_existing_run_is_not_adapted_over(zoo: Any, picture_run: Any, pictures: Path):
    before = json.loads((picture_run.path / "run.json").read_text())
    with pytest.raises(RunError, match="already exists"):
        tlzoo.adapt(picture_run, pictures, out=picture_run.path)
    assert before == json.loads((picture_run.path / "run.json").read_text())


METHODS = """
    from tlzoo.plugin import AdaptationMethod

    def bolder(model, source, target, options):
        with torch.no_grad():
            model.head.weight.mul_(2)
            model.head.bias.fill_(float(len(source) + 1000 * len(target) + 1e6 * options["n_train"]))
        return model

    @hookimpl
    def register_adaptation():
        return [AdaptationMethod("bolder", bolder), AdaptationMethod("broken", lambda **given: "no model")]

    @hookimpl
    def adapt_domain(model, source, target, method, options):
        return bolder(model, source, target, options) if method == "hooked" else None
"""


@pytest.fixture
def toy_run(toy: Any, make_pictures: Any, tmp_path: Path) -> Any:
    """A run of a plugin that adapts in ways of its own."""
    return tlzoo.finetune(toy(METHODS), make_pictures(tmp_path / "data", 10), out=tmp_path / "run")


@pytest.mark.parametrize("method", ["toy/bolder", "toy/hooked", "hooked"])
def test_a_plugins_own_method_is_asked_by_its_name_and_given_both_domains(
    toy_run: Any, make_pictures: Any, tmp_path: Path, method: str
):
    target = make_pictures(tmp_path / "target", 2, seed=1)
    adapted = tlzoo.adapt(toy_run, target, out=tmp_path / "adapted", method=method)
    assert adapted.adapted["method"] == f"toy/{method.removeprefix('toy/')}"
    before, after = toy_run.model().head, adapted.model().head
    assert (2 * before.weight).equal(after.weight)
    train, validation = toy_run.data.n_train, toy_run.data.n_validation
    assert after.bias.tolist() == [train + validation + 1000 * 6 + 1e6 * train] * 3


@pytest.mark.parametrize(
    ("method", "kind", "said"),
    [
        ("toy/other", UsageError, r"Plugin 'toy' \(tlzoo-toy 1.0\) has no adaptation method 'other'"),
        ("bolder", UsageError, "`method='bolder'` is unknown"),  # no distribution declares it
        ("toy/broken", HookError, "adaptation method 'broken' of plugin 'toy' .* returned str, not a model"),
        ("absent/bolder", PluginError, "absent"),
    ],
)
def test_a_method_that_nobody_has_or_that_gives_no_model_is_named(
    toy_run: Any, make_pictures: Any, tmp_path: Path, method: str, kind: type[Exception], said: str
):
    target = make_pictures(tmp_path / "target", 2, seed=1)
    with pytest.raises(kind, match=said) as error:
        tlzoo.adapt(toy_run, target, out=tmp_path / "adapted", method=method)
    assert error.value.hint
    assert not (tmp_path / "adapted").exists()
