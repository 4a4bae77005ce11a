"""What a run is asked for is refused at once where it cannot be, each option by its name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tlzoo.registry
from tlzoo.errors import RunError, UsageError
from tlzoo.options import Auto, Finetune, LoRA, Probe
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs import checks, paths, record, seals
from tlzoo.runs.checks import choose, task_for, with_preprocess
from tlzoo.specs import PluginSpec
from tlzoo.tasks import make_task

ENTRY = {
    "id": "vision/net", "architecture": "net", "tasks": ["image-classification"], "parameters": 10, "feature_dim": 4,
    "preprocess": {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]},
    "source": {"kind": "url", "url": "https://example.org/w.bin", "sha256": "ab" * 32, "size": 3},
    "stages": [{"name": "stem", "parameters": 3}, {"name": "mid", "parameters": 3}, {"name": "top", "parameters": 4}],
}  # fmt: skip
NET = Checkpoint.model_validate(ENTRY)
BARE = Checkpoint.model_validate({**ENTRY, "stages": []})
TASK: Any = make_task("image-classification", ())


def refused(function: Any, *given: Any, **named: Any) -> tuple[str, str, str]:
    with pytest.raises(UsageError) as caught:
        function(*given, **named)
    return caught.value.message, caught.value.hint, caught.value.parameter


@pytest.mark.parametrize(
    ("policy", "count"),
    [("all", 0), ("last:2", 2), ("last:0", 0), ("until:stem", 2), ("until:top", 0), ("until:other", None),
     ("until:", None), ("none", None), ("norm", None), ("lora:8", None)],
)  # fmt: skip
def test_how_many_stages_a_policy_trains(policy: str, count: int | None):
    assert checks._trained_stages(NET, policy) == count


def effective(options: Any, policy: str = "none", strategy: str = "finetune", net: Checkpoint = NET) -> None:
    checks._check_effective(net, TASK, strategy, policy, options)


@pytest.mark.parametrize(
    ("policy", "options", "name", "beside"),
    [
        ("none", Finetune(patience=5), "patience", "`epochs=5`"),
        ("none", Finetune(patience=4), "", ""),
        ("all", Finetune(l2_sp=0.1), "l2_sp", "`freeze='all'`"),
        ("last:1", Finetune(l2_sp=0.1), "", ""),
        ("last:0", Finetune(unfreeze_every=1), "unfreeze_every", "`freeze='last:0'`"),
        ("last:1", Finetune(unfreeze_every=1), "", ""),
        ("last:1", Finetune(layer_decay=0.5), "layer_decay", "`freeze='last:1'`"),
        ("last:2", Finetune(layer_decay=0.5), "", ""),
        ("none", Finetune(layer_decay=0.5), "", ""),
        ("lora:8", Finetune(layer_decay=0.5), "layer_decay", "`freeze='lora:8'`"),
        ("last:1", Finetune(layer_decay=1.0), "", ""),
        ("lora:8", LoRA(), "", ""),
    ],
)
def test_an_option_without_effect_is_named_with_what_keeps_it_from_one(
    policy: str, options: Any, name: str, beside: str
):
    if not name:
        effective(options, policy)
        return
    value = getattr(options, name)
    assert refused(effective, options, policy) == (
        f"`{name}={value!r}` has no effect with {beside}.",
        f"Leave `{name}` out, or give another `{beside.strip('`').partition('=')[0]}`.",
        name,
    )


def idle(policy: str = "last:1", strategy: str = "finetune", task: Any = TASK, **given: Any) -> list[tuple[str, str]]:
    from tlzoo.options import combine
    from tlzoo.plugins.strategies import OPTIONS

    options: Any = combine(OPTIONS.get(strategy, Finetune), strategy, given)
    return list(checks._idle_caching(NET, task, strategy, policy, options))


NO_PROBE: Any = SimpleNamespace(supports=frozenset())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"cache_gb": 3.0}, []),
        ({"probe": False, "cache_gb": 3.0}, []),
        ({"augment": "light", "views": 2}, []),
        ({"augment": "light", "views": 2, "cutmix": 0.5}, [("views", "`cutmix=0.5`")]),
        ({"augment": "light", "views": 2, "cache": False}, [("views", "`cache=False`")]),
        ({"augment": "light", "views": 2, "cache": False, "cutmix": 0.5}, [("views", "`cache=False`")]),
        ({"cutmix": 0.5, "probe": False, "cache_gb": 3.0}, [("cache_gb", "`cutmix=0.5`")]),
        ({"cutmix": 0.5, "cache_gb": 3.0}, []),
        (
            {"augment": "light", "probe": False, "cache_precision": "fp16", "cache_gb": 3.0},
            [
                ("cache_precision", "`augment='light'`, which varies the inputs in every epoch"),
                ("cache_gb", "`augment='light'`, which varies the inputs in every epoch"),
            ],
        ),
        ({"augment": "light", "cache_gb": 3.0, "strategy": "lp-ft"}, []),
        ({"augment": "light", "cache_gb": 3.0, "probe": False, "strategy": "own/one"}, []),
        (
            {"augment": "light", "cache_gb": 3.0, "task": NO_PROBE},
            [("cache_gb", "`augment='light'`, which varies the inputs in every epoch")],
        ),
    ],
)
def test_how_to_cache_has_no_effect_where_nothing_is_cached(given: dict[str, Any], found: list[tuple[str, str]]):
    assert idle(**given) == found


@pytest.mark.parametrize(
    ("task", "strategy", "said"),
    [
        (NO_PROBE, "probe", True), (NO_PROBE, "lp-ft", True), (NO_PROBE, "auto", True), (NO_PROBE, "finetune", False),
        (TASK, "probe", False),
    ],
)  # fmt: skip
def test_a_task_without_a_probe_takes_no_strategy_that_begins_with_one(task: Any, strategy: str, said: bool):
    named = SimpleNamespace(name="plain", supports=task.supports)
    if not said:
        checks._check_probe(named, strategy)  # type: ignore[arg-type]
        return
    assert refused(checks._check_probe, named, strategy) == (
        f"plain does not support a probe, which `strategy={strategy!r}` starts with.",
        "Use `strategy='finetune'`.",
        "strategy",
    )


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_a_device_may_be_numbered(device: str):
    assert choose(NET, None, "probe", None, None, {"device": device}).options.device == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0", ""])
def test_what_is_no_device_is_refused(device: str):
    assert refused(choose, NET, None, "probe", None, None, {"device": device}) == (
        f"`device` cannot be {device!r}.", "Give auto, cpu, cuda or cuda:1.", "device",
    )  # fmt: skip


def test_without_a_strategy_it_is_a_probe_by_default():
    chosen = choose(NET, None, None, None, None)
    assert (chosen.task.name, chosen.strategy, type(chosen.options)) == ("image-classification", "probe", Probe)
    message, _, parameter = refused(choose, NET, None, None, None, None, {"epochs": 3})
    assert (message, parameter) == ("`epochs` has no effect with `strategy='probe'`, the default.", "epochs")
    assert refused(choose, NET, None, "probe", None, None, {"epochs": 3})[0] == (
        "`epochs` has no effect with `strategy='probe'`."
    )


@pytest.mark.parametrize(
    ("strategy", "head", "message", "hint"),
    [
        (
            "finetune",
            "mlp",
            "Unknown head 'mlp'.",
            "Give linear, or PLUGIN/NAME for a plugin's head; or leave `head` out.",
        ),
        ("finetune", "", "Unknown head ''.", "Give linear, or PLUGIN/NAME for a plugin's head; or leave `head` out."),
        (
            "probe",
            "linear",
            "`head='linear'` contradicts `strategy='probe'`, which fits a linear head.",
            "Use `strategy='finetune'`.",
        ),
        (
            "auto",
            "own/x",
            "`head='own/x'` contradicts `strategy='auto'`, which fits a linear head.",
            "Use `strategy='finetune'`.",
        ),
    ],
)
def test_a_head_that_cannot_be_is_refused(strategy: str, head: str, message: str, hint: str):
    assert refused(checks._check_options, TASK, strategy, "none", Finetune(), head) == (message, hint, "head")


def test_heads_that_can_be_pass():
    for head in (None, "linear", "plugin", "own/x"):
        checks._check_options(TASK, "finetune", "none", Finetune(), head)
    checks._check_options(TASK, "probe", "all", Probe())
    assert refused(checks._check_options, TASK, "finetune", "none", Finetune(), "own/")[2] == "head"
    assert refused(checks._check_options, TASK, "finetune", "lora:0", Finetune())[2] == "freeze"
    checks._check_options(TASK, "probe", "lora:0", Probe())


PLAIN: Any = SimpleNamespace(name="plain", supports=frozenset())


@pytest.mark.parametrize(
    ("options", "name", "why"),
    [
        (Finetune(label_smoothing=0.1), "label_smoothing", "has no labels to smooth"),
        (Probe(class_weights="balanced"), "class_weights", "has no classes to weight"),
        (Finetune(mixup=0.1), "mixup", "does not support mixing of targets"),
        (Finetune(cutmix=0.1), "cutmix", "does not support mixing of targets"),
        (Finetune(augment="light"), "augment", "does not support augmentation"),
    ],
)
def test_what_a_task_does_not_support_is_refused(options: Any, name: str, why: str):
    assert refused(checks._check_supported, PLAIN, options) == (f"plain {why}.", f"Leave `{name}` out.", name)
    ability = "mixup" if name == "cutmix" else name
    checks._check_supported(SimpleNamespace(supports={ability}), options)  # type: ignore[arg-type]
    checks._check_supported(PLAIN, Finetune())


@pytest.mark.parametrize(
    ("kind", "mixup", "cutmix"), [("image", True, True), ("audio", True, False), ("text", False, False)]
)
def test_mixing_is_for_inputs_of_a_kind(kind: str, mixup: bool, cutmix: bool):
    for name, right in (("mixup", mixup), ("cutmix", cutmix)):
        options = Finetune(**{name: 0.1})
        if right:
            checks._check_modality(kind, options)
        else:
            assert refused(checks._check_modality, kind, options)[2] == name


@pytest.mark.parametrize(
    ("net", "policy", "said"),
    [
        (NET, "last:3", ""),
        (NET, "last:4", "Freeze policy 'last:4' needs 4 stages; this backbone has 3."),
        (NET, "until:x", "This backbone has no stage 'x'."),
        (BARE, "until:x", ""),
        (BARE, "last:9", ""),
        (BARE, "some", "Unknown freeze policy 'some'."),
        (NET, "norm", ""),
        (NET, "own/x", ""),
        (NET, "own/", "The freeze policy 'own/' does not have the form PLUGIN/NAME."),
    ],
)
def test_a_freeze_policy_is_checked_against_the_stages_that_are_known(net: Checkpoint, policy: str, said: str):
    if said:
        message, _, parameter = refused(checks._check_policy, net, policy)
        assert (message, parameter) == (said, "freeze")
    else:
        checks._check_policy(net, policy)


def test_a_task_that_a_checkpoint_does_not_support_is_refused():
    assert task_for(NET, None).name == "image-classification"
    message, hint, parameter = refused(task_for, NET, "text-tokens")
    assert (message, parameter) == ("vision/net does not support the task 'text-tokens'.", "task")
    assert hint.startswith("Supported: image-classification, ")
    assert hint.endswith(".")


def test_preprocessing_is_changed_by_its_fields():
    assert with_preprocess(NET, None) is NET
    assert with_preprocess(NET, {}) is NET
    changed = with_preprocess(NET, {"crop": 0.5}).preprocess
    assert (changed.crop, changed.size) == (0.5, (8, 8))  # type: ignore[union-attr]
    own = NET.model_copy(update={"preprocess": PluginSpec(plugin="own", options={"a": 1, "b": 2})})
    assert with_preprocess(own, {"b": 3, "c": 4}).preprocess.options == {"a": 1, "b": 3, "c": 4}  # type: ignore[union-attr]
    assert refused(with_preprocess, NET, {"zoom": 2, "crop": 0.5}) == (
        "`preprocess={'zoom': 2}` has no effect with vision/net.",
        "Leave it out, or give one that it has, as `preprocess={'NAME': 'VALUE'}`: "
        "crop, interpolation, mean, size, std, value_range.",
        "preprocess",
    )
    assert refused(with_preprocess, NET, {"crop": 2})[0] == "`preprocess={'crop': 2}` cannot be used."
    message, hint, _ = refused(with_preprocess, NET, {"size": [8]})
    assert (message, hint) == (
        "`preprocess={'size': [8]}` cannot be used.",
        "Give a value such as (8, 8), which it has.",
    )
    text = NET.model_copy(update={"preprocess": tlzoo.registry.get("nlp/indobert-base-p1").preprocess})
    assert refused(with_preprocess, text, {"lenght": 2})[1].endswith(
        ": known_tokens, lowercase, max_length, pad_id, truncation_side."
    )


def test_where_a_run_cannot_be_written_is_told(tmp_path: Path):
    def told(path: Path) -> tuple[str, str, str]:
        with pytest.raises(RunError) as caught:
            paths.check_output_path(path)
        return caught.value.message, caught.value.hint, caught.value.parameter

    paths.check_output_path(tmp_path / "new" / "run")
    assert told(Path("/")) == ("/ cannot be a run.", "Name a folder that is new: `out='run'`.", "out")
    assert told(tmp_path) == (f"{tmp_path} already exists.", "Choose another `out`, or remove it.", "out")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert told(tmp_path / "link")[0] == f"{tmp_path / 'link'} already exists."
    message, hint, parameter = told(tmp_path / "file" / "run")
    assert message.startswith(f"{tmp_path / 'file' / 'run'} cannot be written: ")
    assert (hint, parameter) == ("Choose another `out`.", "out")
    assert paths.unfinished_dir(Path("a/run.x")) == Path("a/run.x.unfinished")


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [(b"1", b"1", True), (b"1", b"2", False), (b"", b"", False), (None, b"1", False), (b"1", None, False)],
)
def test_snapshots_are_of_a_run_with_the_same_history(tmp_path: Path, mine: Any, theirs: Any, same: bool):
    for folder, history in ((tmp_path / "run", mine), (tmp_path / "run.unfinished", theirs)):
        folder.mkdir()
        if history is not None:
            (folder / paths.HISTORY).write_bytes(history)
    assert paths._has_snapshots_of(tmp_path / "run") == same
    paths._remove_snapshots(tmp_path / "run")
    assert (tmp_path / "run.unfinished").exists() == (not same)


def test_the_first_file_that_is_not_whole_is_named(tmp_path: Path):
    for name in "abc":
        (tmp_path / name).write_text(name)
    hashes = seals.hashes_of(tmp_path)
    assert list(hashes) == ["a", "b", "c"]
    seals.check_files(tmp_path, hashes, ["a", "b", "c", "unknown"])
    (tmp_path / "b").write_text("B")
    (tmp_path / "c").unlink()
    seals.check_files(tmp_path, hashes, ["a"])
    for names, what in (
        ("abc", "is damaged, or was changed after the run was written: its checksum differs from the one in run.json"),
        ("cb", "is missing"),
    ):
        with pytest.raises(RunError) as caught:
            seals.check_files(tmp_path, hashes, names)
        assert caught.value.message == f"{tmp_path / (names[0] if names == 'cb' else 'b')} {what}."
        assert caught.value.hint == "Restore it from a copy, or train again. Undamaged: a."
    (tmp_path / "a").unlink()
    with pytest.raises(RunError, match="is missing") as caught:
        seals.check_files(tmp_path, hashes, ["a"])
    assert caught.value.hint.endswith("Undamaged: no others.")


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (KeyError("x"), "'x' is missing"),
        (ValueError("one.\n  two \nthree"), "one. two"),
        (ValueError("one."), "one"),
        (ValueError(), "ValueError"),
        (ValueError(" \n"), "ValueError"),
    ],
)
def test_why_something_failed_is_one_line(cause: Exception, reason: str):
    assert record.short_reason(cause) == reason


def test_plugins_of_another_version_are_named():
    def made(**versions: str) -> str:
        return record.upgraded(SimpleNamespace(versions={k.replace("_", "-"): v for k, v in versions.items()}))  # type: ignore[arg-type]

    from importlib import metadata

    now = metadata.version("tlzoo-vision")
    assert made() == ""
    assert made(tlzoo_vision=now, torch="1.0", tlzoo_gone="1.0") == ""
    assert made(tlzoo_vision="0.0.1") == f"It was made with tlzoo-vision 0.0.1, and tlzoo-vision {now} is installed. "
    assert made(tlzoo_vision="0.0.1", tlzoo_nlp="0.0.1").count("; ") == 1
    assert Auto().strategy == "auto"


def test_a_task_without_a_probe_is_refused_before_its_options(monkeypatch: pytest.MonkeyPatch):
    task = SimpleNamespace(name="plain", supports=frozenset(), plugin="")
    monkeypatch.setattr(checks, "task_for", lambda checkpoint, wanted: task)
    assert refused(choose, NET, None, "probe", None, None, {"epochs": 3})[0].startswith(
        "plain does not support a probe"
    )
    assert refused(choose, NET, None, Probe(), None, None)[0].startswith("plain does not support a probe")
    monkeypatch.setattr(checks, "_check_options", lambda *given: None)
    assert choose(NET, None, None, None, None).strategy == "finetune"
