"""A plugin that changed since training, or is no longer installed: files still answer, and what differs is said."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlzoo
from tlzoo.errors import HookError
from tlzoo.runtime.unknown_task import UnknownTask

OPTIONS = {"epochs": 1, "batch": 8, "lr": 1e-2}
LONG = "awful boring great fine film book good awful"


@pytest.fixture
def duo_site(duo_copy: Path) -> Path:
    """A copy of the plugin that may be changed."""
    return duo_copy


@pytest.fixture
def change(
    duo: Any, duo_site: Path, faulty: Any, reload_duo: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Appends code to a module of the plugin as it was at first, and lets it be imported anew."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a change within a second, of the same size, would be missed
    first = {path.stem: path.read_text() for path in (duo_site / "tlzoo_duo").glob("*.py")}

    def write(module: str, code: str) -> None:
        (duo_site / "tlzoo_duo" / f"{module}.py").write_text(first[module])
        faulty(module, code)
        reload_duo()

    return write


def trained(task: str, data: Path, folder: Path, **options: Any) -> tuple[Any, Any]:
    """A run of the head alone, and its export."""
    chosen = {"strategy": "finetune", "freeze": "all", "options": OPTIONS, **options}
    checkpoint = "duo/means" if task == "two" else "duo/words"
    run = tlzoo.finetune(checkpoint, data, out=folder / "run", task=task, **chosen)
    return run, run.export(folder / "file.onnx")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Texts of eleven words, with a question and a reply."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(60):
        text = " ".join(random.choice("awful boring great fine film book good".split(), 11))
        rows.append({"text": text, "question": text, "reply": "great film", "label": float(random.normal())})
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return tmp_path / "texts.jsonl"


@pytest.fixture
def words(duo: Any) -> dict[str, str]:
    """The preprocessing of `duo/words`."""
    return {"tokenizer": (duo.folder / "weights" / "bert" / "tokenizer.json").read_text()}


@pytest.mark.parametrize(
    "change",
    [
        "@dataclass(frozen=True)\nclass Two(Two):\n    unit: str = 'points'\n\n    def __post_init__(self):\n"
        "        raise RuntimeError('not this one')",
        "@dataclass(frozen=True)\nclass Other(Two):\n    pass\n\n\nTwo.__init__ = lambda self, name, labels=(): None",
    ],
)  # fmt: skip
def test_a_task_that_changed_after_training_is_told_with_both_versions_and_the_file_still_runs(
    faulty: Any,
    command: Any,
    numbers: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    change: str,
    reload_duo: Callable[[], None],
):
    run = tlzoo.finetune(
        "duo/means", numbers, out=tmp_path / "run", task="two", strategy="finetune", freeze="all", options=OPTIONS
    )
    exported = run.export(tmp_path / "file.onnx")
    faulty("tasks", change)
    reload_duo()
    again = command("evaluate", tmp_path / "run", numbers)
    assert again.code == 2
    assert "The task 'image-two' of plugin 'duo' (tlzoo-duo 1.0) does not take the settings unit='points'" in again.err
    capfd.readouterr()
    predictor = tlzoo.load(exported.path)
    assert isinstance(predictor.task, UnknownTask)
    assert "needs tlzoo-duo 1.0" in capfd.readouterr().err
    assert set(predictor.predict(tmp_path / "0.png")[0].outputs) == {"sign", "size"}


def test_outputs_that_another_version_declares_otherwise_are_told_with_both_versions(
    change: Any, command: Any, numbers: Path, tmp_path: Path, duo_site: Path
):
    _, exported = trained("two", numbers, tmp_path)
    os.rename(duo_site / "tlzoo_duo-1.0.dist-info", duo_site / "tlzoo_duo-2.0.dist-info")
    metadata = duo_site / "tlzoo_duo-2.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 2.0"))
    for outputs, ours in (
        ("Output('kind', ('batch', 2)), Output('size', ('batch',))", "kind float32[?, 2], size float32[?]"),
        ("Output('sign', ('batch', 3)), Output('size', ('batch',))", "sign float32[?, 3], size float32[?]"),
        ("Output('sign', ('batch', 2)),", "sign float32[?, 2]"),
        ("Output('sign', ('batch', 2)), Output('size', ('batch',)), Output('z', ('batch',))", "z float32[?]"),
        ("Output('sign', ('batch', 2), 'int64'), Output('size', ('batch',))", "sign int64[?, 2], size float32[?]"),
    ):
        change("tasks", f"Two.outputs = property(lambda self: ({outputs}))")
        done = command("predict", exported.path, tmp_path / "0.png", "--json")
        assert done.code == 0, done.err
        assert set(json.loads(done.out)["predictions"][0]["outputs"]) == {"sign", "size"}
        assert "The task image-two needs tlzoo-duo 1.0" in done.err
        assert "image-two of plugin 'duo' (tlzoo-duo 2.0) has the outputs " in done.err
        assert ours in done.err
        assert "the file has sign float32[?, 2], size float32[?]" in done.err
        measured = command("evaluate", exported.path, numbers)
        assert (measured.code, "tlzoo-duo 2.0" in measured.err, "tlzoo-duo 1.0" in measured.err) == (2, True, True)
        again = command("export", tmp_path / "run", "--out", tmp_path / "again.onnx", "--quiet")
        assert (again.code, "image-two of plugin 'duo' (tlzoo-duo 2.0)" in again.err) == (2, True), again.err
        assert "It was made with tlzoo-duo 1.0, and tlzoo-duo 2.0 is installed." in again.err
    change("tasks", "Two.outputs = property(lambda self: (Output('size', ('batch',)), Output('sign', ('batch', 2))))")
    assert command("predict", exported.path, tmp_path / "0.png", "--json").json["predictions"][0]["sign"] in (
        "minus",
        "plus",
    )  # the order is the file's


def test_a_run_whose_head_is_of_another_shape_now_names_both_versions(
    change: Any, command: Any, numbers: Path, tmp_path: Path, duo_site: Path
):
    trained("two", numbers, tmp_path)
    os.rename(duo_site / "tlzoo_duo-1.0.dist-info", duo_site / "tlzoo_duo-2.0.dist-info")
    metadata = duo_site / "tlzoo_duo-2.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 2.0"))
    change("heads", "_head = build_head\n\n\ndef build_head(backbone, task, options):\n"
                    "    head = _head(backbone, task, options)\n    head.module.sign = nn.Linear(12, 3)\n"
                    "    return head")  # fmt: skip
    done = command("evaluate", tmp_path / "run", numbers)
    assert done.code == 2
    assert "It was made with tlzoo-duo 1.0, and tlzoo-duo 2.0 is installed." in done.err


def test_a_table_of_several_inputs_reads_the_same_without_the_plugin(
    words: Any, texts: Path, command: Any, reload_duo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, exported = trained("pair", texts, tmp_path, preprocess=words)
    before = command("predict", exported.path, texts, "--json").json["predictions"]
    monkeypatch.setenv("TLZOO_PLUGINS", "vision,nlp")
    reload_duo()
    done = command("predict", exported.path, texts, "--json")
    assert done.code == 0, done.err
    after = json.loads(done.out)["predictions"]
    assert [row["input"] for row in after] == [row["input"] for row in before]
    assert [row["outputs"]["size"] for row in after] == pytest.approx([row["size"] for row in before], abs=1e-5)
    assert "windows" not in done.err


def test_without_the_plugin_long_inputs_are_said_not_to_be_cut_into_windows(
    words: Any,
    texts: Path,
    command: Any,
    change: Any,
    reload_duo: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    change("tasks", "Longest.endings = ('.wise',)")
    _, exported = trained("longest", texts, tmp_path, preprocess=words)
    monkeypatch.setenv("TLZOO_PLUGINS", "vision,nlp")
    reload_duo()
    done = command("predict", exported.path, LONG, "--json")
    assert (done.code, "Long inputs are not cut into windows" in done.err) == (0, True)
    (tmp_path / "a.wise").write_text("what only the plugin reads")
    refused = command("predict", exported.path, tmp_path / "a.wise")
    assert (refused.code, "a.wise cannot be read without the plugin of text-longest" in refused.err) == (2, True)
    assert command("predict", exported.path, texts, "--quiet").code == 0


def test_what_merge_returns_is_checked(words: Any, texts: Path, command: Any, change: Any, tmp_path: Path):
    _, exported = trained("longest", texts, tmp_path, preprocess=words)
    for body, said in (
        ("None", "`merge` returns NoneType, not a tuple of outputs by name and a context"),
        ("({}, None, None)", "`merge` returns a tuple of 3, not"),
        ("([1], None)", "not a tuple of outputs by name"),
        ("({'sign': parts[0].outputs['sign']}, None)", "`merge` returns sign, without the output 'size'"),
        ("({**parts[0].outputs, 'sign': parts[0].outputs['sign'][:1]}, None)",
         "`merge` returns 'sign' of shape [1]; the task declares [2] for each input"),
        ("({**parts[0].outputs, 'sign': parts[0].outputs['sign'] * np.nan}, None)",
         "`merge` returns 'sign' with NaN or infinity, which no window has"),
        ("({**parts[0].outputs, 'sign': [0.0, 1.0]}, None)", "`merge` returns 'sign' as list, not as an array"),
        ("({**parts[0].outputs, 'sign': np.array([1, 2])}, None)", "`merge` returns 'sign' as int64"),
    ):  # fmt: skip
        change("tasks", f"Longest.merge = lambda self, parts: {body}")
        for arguments in (("predict", exported.path, LONG), ("evaluate", exported.path, texts)):
            done = command(*arguments)
            assert done.code == 2, (body, done.err, done.out)
            assert "The task text-longest of plugin 'duo' (tlzoo-duo 1.0) cannot be used: " in done.err
            assert said in done.err
    with pytest.raises(HookError, match="`merge` returns"):
        tlzoo.finetune("duo/words", texts, out=tmp_path / "other", task="longest", strategy="finetune", freeze="all",
                       options=OPTIONS, preprocess=words)  # fmt: skip
    assert not (tmp_path / "other.unfinished").exists()


def test_embeddings_that_merge_leaves_out_are_the_mean_of_the_windows(
    words: Any, texts: Path, change: Any, tmp_path: Path
):
    _, exported = trained("longest", texts, tmp_path, preprocess=words)
    parts = ["awful boring great fine", "fine film book good", "good awful"]
    [kept] = exported.load().predict(LONG, embeddings=True)
    windows = exported.load().embeddings(parts)
    assert any(np.allclose(kept.embedding, each, atol=1e-5) for each in windows)
    own = "Longest.merge = lambda self, parts: ({name: parts[0].outputs[name] for name in ('sign', 'size')}, None)"
    change("tasks", own)
    [mean] = exported.load().predict(LONG, embeddings=True)
    np.testing.assert_allclose(mean.embedding, windows.mean(axis=0), atol=1e-5)
    assert exported.load().predict(LONG)[0].embedding is None
    change("tasks", "Longest.merge = lambda self, parts: ({**parts[0].outputs, 'embeddings': np.zeros(3)}, None)")
    with pytest.raises(HookError, match=r"`merge` returns 'embeddings' of shape \[3\]"):
        exported.load().predict(LONG, embeddings=True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Two.agree = lambda self, *given: None", "`agree` returns NoneType, not an Agreement"),
        ("Two.supports |= {'calibration'}\nTwo.temperature = lambda self, *given: None", "`temperature` returns None"),
        ("Two.supports |= {'calibration'}\nTwo.temperature = lambda self, *given: 0.0", "`temperature` returns 0.0"),
        ("Two.supports |= {'calibration'}\nTwo.temperature = lambda self, *given: 1.0\n"
         "Two.calibration_error = lambda self, *given: float('nan')", "`calibration_error` returns nan"),
    ],
)  # fmt: skip
def test_what_a_proof_asks_of_a_task_is_checked(
    change: Any, command: Any, numbers: Path, tmp_path: Path, code: str, said: str
):
    trained("two", numbers, tmp_path)
    change("tasks", code)
    done = command("export", tmp_path / "run", "--out", tmp_path / "again.onnx", "--quiet")
    assert (done.code, said in done.err) == (2, True), done.err
    assert "The task image-two of plugin 'duo' (tlzoo-duo 1.0) cannot be used: " in done.err
    assert not (tmp_path / "again.onnx").exists()
