"""Each fault of a plugin fails the check that is about it, and no other."""

from __future__ import annotations

import pytest
from shared_fixtures.release import every_other

from tlzoo.registry.schema import HubFile, HubSource, RegistryFile, StageRecord
from tlzoo.specs import PluginSpec
from tlzoo.testing import PluginSuite, run, samples
from tlzoo.testing.running import checks

EXPORTS = ["test_the_export_equals_the_model", "test_the_file_is_portable", "test_the_file_predicts_without_torch"]
PROCESSES = ["test_importing_it_imports_no_heavy_library", "test_preprocessing_needs_no_torch"]
"""Checks that start a process of their own."""
CHEAP = [name for name in checks(PluginSuite) if name not in EXPORTS + PROCESSES]

HEAD_ONLY = 'frozenset(name for name, _ in model.named_parameters() if name.startswith("head"))'
PREPARE = """
@hookimpl
def make_preprocessor(spec):
    import numpy as np
    from tlzoo.preprocess import make_preprocessor
    if spec.kind != "image":
        return None
    core = make_preprocessor(spec)
    def prepare(inputs):
        {body}
    return prepare
"""

FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "a hook without its mark": (
        "test_it_is_registered_and_its_hooks_are_well_named",
        {"hooks": "def freeze(model, policy):\n    return None"},
    ),
    "another plugin's entry answered": (
        "test_an_entry_of_another_plugin_gets_none",
        {"foreign": 'checkpoint.architecture != "net"'},
    ),
    "an unknown architecture answered": (
        "test_an_unknown_architecture_gets_none_or_a_hint",
        {"foreign": 'checkpoint.plugin != "tiny"'},
    ),
    "an id of others resolved": (
        "test_ids_of_others_are_not_resolved",
        {
            "hooks": """
            @hookimpl
            def resolve_checkpoint(id, repository):
                from tlzoo import registry
                return registry.get("vision/resnet18")
            """
        },
    ),
    "an unknown policy answered": (
        "test_an_unknown_freeze_policy_gets_none",
        {
            "hooks": f"""
            @hookimpl
            def freeze(model, policy):
                from tlzoo import Freeze
                known = policy.partition(":")[0] in ("all", "none", "norm", "last", "until")
                return None if known else Freeze({HEAD_ONLY})
            """
        },
    ),
    "an unknown adaptation answered": (
        "test_an_unknown_adaptation_gets_none",
        {"hooks": "@hookimpl\ndef adapt_domain(model, source, target, method, options):\n    return model"},
    ),
    "another plugin's specification answered": (
        "test_preprocessing_of_another_plugin_gets_none",
        {
            "hooks": """
            @hookimpl
            def make_preprocessor(spec):
                from tlzoo.preprocess import make_preprocessor
                return list if spec.kind == "plugin" else make_preprocessor(spec)
            """
        },
    ),
    "a wrong feature_dim": ("test_outputs_are_as_declared", {"width": "9"}),
    "half precision": ("test_outputs_are_as_declared", {"last": "self.last(x).half()"}),
    "training mode": ("test_it_is_deterministic_in_eval_mode", {"built": "module.train()"}),
    "chance": ("test_it_is_deterministic_in_eval_mode", {"last": "self.last(x) + torch.rand(1)"}),
    "a fixed batch": ("test_declared_axes_vary", {"last": "self.last(x).reshape(3, 8)"}),
    "no dynamic batch": ("test_declared_axes_vary", {"axes": "{}"}),
    "a mean over the batch": (
        "test_a_sample_alone_gives_what_it_gives_in_a_batch",
        {"first": "self.norm(torch.relu(self.first(x - x.mean(0))))"},
    ),
    "a seed of its own": (
        "test_seeds_give_different_random_weights",
        {"built": "torch.manual_seed(0); module = Network().eval()"},
    ),
    "a number outside the state": (
        "test_its_config_rebuilds_it",
        {"built": "module.scale = 1 + float(torch.rand(()))", "last": "self.last(x) * self.scale"},
    ),
    "a stage missing": ("test_stages_hold_every_parameter_once", {"stages": 'Stage("first", ("first", "norm")),'}),
    "a parameter in two stages": (
        "test_stages_hold_every_parameter_once",
        {"stages": 'Stage("first", ("first", "norm")), Stage("last", ("last", "norm"))'},
    ),
    "stages out of order": (
        "test_stages_go_from_input_to_output",
        {"stages": 'Stage("last", ("last",)), Stage("first", ("first", "norm"))'},
    ),
    "statistics that move": (
        "test_a_step_changes_only_what_trains",
        {
            "hooks": f"""
            @hookimpl
            def freeze(model, policy):
                from tlzoo import Freeze
                return Freeze({HEAD_ONLY}) if policy == "all" else None
            """
        },
    ),
    "no gradient": ("test_a_step_changes_only_what_trains", {"last": "self.last(x.detach())"}),
    "freezing that forgets": (
        "test_freezing_twice_answers_the_same",
        {
            "top": "asked = []",
            "hooks": f"""
            @hookimpl
            def freeze(model, policy):
                from tlzoo import Freeze
                if policy != "all":
                    return None
                asked.append(policy)
                still = {{name for name, _ in model.named_modules() if name.startswith("backbone")}}
                return Freeze({HEAD_ONLY}, frozenset(sorted(still)[len(asked) % 2:]))
            """,
        },
    ),
    "floats for bytes": (
        "test_arrays_fit_the_example_inputs",
        {"hooks": PREPARE.format(body='return {"image": core(inputs)["image"].astype(np.float32)}')},
    ),
    "a batch's brightest pixel": (
        "test_an_input_alone_is_prepared_as_in_a_batch",
        {"hooks": PREPARE.format(body='image = core(inputs)["image"]; return {"image": image.max() - image}')},
    ),
    "a broken input accepted": (
        "test_a_broken_input_raises_input_error",
        {
            "hooks": PREPARE.format(
                body="""try:
            return core(inputs)
        except Exception:
            return {"image": np.zeros((len(inputs), 8, 8, 3), np.uint8)}"""
            )
        },
    ),
    "another error for a broken input": (
        "test_a_broken_input_raises_input_error",
        {
            "hooks": PREPARE.format(
                body="""try:
            return core(inputs)
        except Exception as error:
            raise ValueError("bad picture") from error"""
            )
        },
    ),
}


TASK_FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "a headline that is no metric": ("test_its_task_says_what_it_is", {"headline": '"precision"'}),
    "a monitor that is no metric": ("test_its_task_says_what_it_is", {"monitor": '""'}),
    "two outputs of one name": (
        "test_its_task_says_what_it_is",
        {"outputs": 'Output("sides", ("batch", 2)), Output("sides", ("batch", 2))'},
    ),
    "an output without its batch": ("test_its_task_says_what_it_is", {"outputs": 'Output("sides", (2,))'}),
    "a setting that JSON changes": (
        "test_its_task_is_made_again_from_json",
        {"setting": "smooth: tuple[float, ...] = (0.25, 0.5)"},
    ),
    "a setting that JSON has not": ("test_its_task_is_made_again_from_json", {"setting": "smooth: complex = 1j"}),
    "an output wider than declared": ("test_its_outputs_are_as_declared", {"wider": " + 1"}),
    "an output of another type": ("test_its_outputs_are_as_declared", {"given": "sides.double()"}),
    "an output too many": ("test_its_outputs_are_as_declared", {"given": "(sides, sides)"}),
    "an output called as an input": (
        "test_its_outputs_are_as_declared",
        {"outputs": 'Output("image", ("batch", 2))', "loss": 'cross_entropy(outputs["image"], batch["sides"])'},
    ),
    "a layer that no loss reaches": ("test_its_loss_reaches_the_head", {"spare": "self.spare = nn.Linear(width, 1)"}),
    "a number of numpy's in an answer": (
        "test_its_answers_are_rows",
        {"field": "int", "answers": "[SidePrediction(side) for side in sides]"},
    ),
    "an answer of another type": ("test_its_answers_are_rows", {"answers": "[Prediction() for side in sides]"}),
    "an answer too few": (
        "test_its_answers_are_rows",
        {"answers": "[SidePrediction(self.labels[side]) for side in sides[1:]]"},
    ),
    "a line of more than texts": ("test_its_answers_are_rows", {"line": '{"side": None}'}),
    "a proof of anything": (
        "test_its_proof_notices_another_model",
        {"agreed": "Agreement(found.scale, {name: 0 * rows for name, rows in found.difference.items()}, "
                   "np.ones_like(found.same))"},
    ),
    "a scale that makes all differences small": (
        "test_its_proof_notices_another_model",
        {"agreed": 'Agreement({"sides": 1e9}, found.difference, np.ones_like(found.same))'},
    ),
    "outputs that are never the same": (
        "test_its_proof_notices_another_model",
        {"agreed": "Agreement(found.scale, found.difference, np.zeros_like(found.same))"},
    ),
    "a metric that is no number": (
        "test_its_metrics_are_finite",
        {"metrics": '{"accuracy": accuracy, "distance": float("nan")}'},
    ),
    "a metric that has no direction": (
        "test_its_metrics_are_finite",
        {"metrics": '{"accuracy": accuracy, "distance": 0.0, "more": 1.0}'},
    ),
    "a metric that is a truth value": (
        "test_its_metrics_are_finite",
        {"metrics": '{"accuracy": accuracy, "distance": True}'},
    ),
    "scores of labels instead of samples": ("test_its_metrics_are_finite", {"scores": 'outputs["sides"]'}),
    "a score that is no number": ("test_its_metrics_are_finite", {"scores": "sides / np.zeros(len(sides))"}),
    "a headline that resampling changes": ("test_its_metrics_are_finite", {"resampled": "[2.0 for drawn in draws]"}),
}  # fmt: skip


def failing(suite: type[PluginSuite], only: list[str]) -> dict[str, str]:
    """The checks that fail, with what they say."""
    return {result.name: result.message for result in run(suite, only) if not result.passed}


@pytest.mark.parametrize("fault", every_other(FAULTS))
def test_a_fault_fails_its_check_and_no_other(tiny, fault):
    check, wrong = FAULTS[fault]
    found = failing(tiny(**wrong), CHEAP)
    assert [check] == list(found), found
    assert len(found[check]) > 20


def test_a_task_that_is_right_fails_no_check(tiny):
    assert failing(tiny(task={}), CHEAP) == {}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("fault", every_other(TASK_FAULTS))
def test_a_fault_of_the_task_fails_its_check_and_no_other(tiny, fault):
    check, wrong = TASK_FAULTS[fault]
    found = failing(tiny(task=wrong), CHEAP)
    assert [check] == list(found), found
    assert len(found[check]) > 20


@pytest.mark.parametrize(
    ("answered", "declared", "told"),
    [
        ("sides", "", "Declare it in group tlzoo.tasks"),
        ("sides", "sides = tiny\nslides = tiny\n", "declares 'slides', which register_tasks lacks"),
        ("regression", "regression = tiny\n", "'regression', which is the core's"),
    ],
)
def test_names_that_are_not_declared_as_they_are_registered_are_found(tiny, answered, declared, told):
    hook = f"""
    @hookimpl
    def register_tasks():
        from tlzoo.plugin import RegisteredTask
        return [RegisteredTask({answered!r}, object)]
    """
    found = failing(tiny(hooks=hook, declared=f"[tlzoo.tasks]\n{declared}" if declared else ""), CHEAP)
    assert list(found) == ["test_what_it_registers_is_declared"]
    assert told in found.popitem()[1]


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("test_outputs_are_as_declared", {"feature_dim": 9}),
        ("test_its_parameters_are_counted", {"parameters": 1000}),
        ("test_its_entries_are_valid", {"stages": (StageRecord(name="first", parameters=5),)}),
        ("test_its_entries_have_licences", {"license": " "}),
        (
            "test_its_files_are_pinned",
            {"source": HubSource(repo="org/net", files=(HubFile(path="model.safetensors", sha256="0" * 64),))},
        ),
    ],
)
def test_a_fault_of_the_entry_fails_its_check_and_no_other(tiny, tiny_entry, check, changes):
    assert [check] == list(failing(tiny(entry=tiny_entry.model_copy(update=changes)), CHEAP))


@pytest.mark.parametrize("changes", [{"id": "other/net"}, {"id": "tiny/other", "builder": "other"}])
def test_an_entry_of_another_name_is_reported(tiny, tiny_entry, tmp_path, changes):
    suite = tiny(declared="[tlzoo.registry]\ntiny = tlzoo_tiny_files:registry.json\n")
    (tmp_path / "site" / "tlzoo_tiny_files").mkdir()
    (tmp_path / "site" / "tlzoo_tiny_files" / "__init__.py").write_text("")
    pinned = HubFile(path="model.safetensors", sha256="0" * 64, size=1)
    source = HubSource(repo="org/net", revision="0" * 40, files=(pinned,))
    listed = [tiny_entry.model_copy(update={"source": source, **each}) for each in ({}, changes)]
    document = RegistryFile(checkpoints=tuple(listed))
    text = document.model_dump_json(exclude_none=True)
    (tmp_path / "site" / "tlzoo_tiny_files" / "registry.json").write_text(text)
    found = failing(suite, CHEAP)
    assert list(found) == ["test_its_entries_are_valid"], found
    assert f"Entry '{changes['id']}' is not of plugin 'tiny'. Start its id with 'tiny/'." in found.popitem()[1]


def test_a_suite_may_stand_on_a_checkpoint_of_another_plugin(tiny, tiny_entry):
    suite = tiny(entry=tiny_entry.model_copy(update={"id": "other/net"}))
    found = failing(suite, ["test_its_entries_are_valid", "test_outputs_are_as_declared"])
    assert list(found) == ["test_outputs_are_as_declared"]
    assert "No plugin 'other' is installed" in found.popitem()[1]


@pytest.mark.parametrize("line", ["import torch", "try:\n    import torch\nexcept ImportError:\n    torch = None"])
def test_torch_at_import_is_found_even_where_it_is_guarded(tiny, line):
    found = failing(tiny(top=line), ["test_importing_it_imports_no_heavy_library", "test_preprocessing_needs_no_torch"])
    assert list(found) == ["test_importing_it_imports_no_heavy_library"]
    assert "torch" in found.popitem()[1]


def test_a_slow_import_is_found(tiny):
    suite = tiny(top="import time\ntime.sleep(0.3)")
    suite.import_seconds = 0.2
    assert list(failing(suite, PROCESSES[:1])) == ["test_importing_it_imports_no_heavy_library"]


def test_a_distribution_without_a_licence_is_found(tiny, tiny_metadata):
    suite = tiny(metadata=tiny_metadata.replace("License-Expression: MIT\n", ""))
    check = "test_its_distribution_has_a_licence_and_says_which_tlzoo_it_needs"
    assert [check] == list(failing(suite, CHEAP))


@pytest.mark.parametrize("range", ["Requires-Dist: tlzoo>=0.1\n", ""])
def test_an_open_range_of_tlzoo_is_a_note(tiny, tiny_metadata, range):
    suite = tiny(metadata=tiny_metadata.replace("Requires-Dist: tlzoo<0.2,>=0.1\n", range))
    [result] = run(suite, ["test_its_distribution_has_a_licence_and_says_which_tlzoo_it_needs"])
    assert (result.passed, "tlzoo>=0.1,<0.2" in result.message) == (True, True)


def test_an_unknown_licence_of_weights_is_a_note(tiny, tiny_entry):
    [result] = run(tiny(entry=tiny_entry.model_copy(update={"license": None})), ["test_its_entries_have_licences"])
    assert (result.passed, "tiny/net" in result.message) == (True, True)


def test_branches_side_by_side_may_stand_in_any_order(tiny):
    suite = tiny(
        first="self.first(x)[:, :12] + self.norm.weight.sum() + self.norm.bias.sum()",
        last="x[:, :8] + self.last(torch.nn.functional.pad(image.float().mean((1, 2)) / 255, (0, 13)))",
        stages='Stage("last", ("last",)), Stage("first", ("first", "norm"))',
    )
    assert failing(suite, ["test_stages_go_from_input_to_output", "test_stages_hold_every_parameter_once"]) == {}


OWN_KIND = """
@hookimpl
def make_preprocessor(spec):
    if spec.kind != "plugin" or spec.plugin != "tiny":
        return None
    {line}
    from tlzoo.preprocess import make_preprocessor
    from tlzoo.specs import ImageSpec
    return make_preprocessor(ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1)))
"""


@pytest.mark.parametrize(("line", "failed"), [("pass", []), ("import torch", ["test_preprocessing_needs_no_torch"])])
def test_preprocessing_of_its_own_kind_must_do_without_torch(tiny, tiny_entry, line, failed):
    entry = tiny_entry.model_copy(update={"preprocess": PluginSpec(plugin="tiny", endings=(".png",))})
    suite = tiny(entry=entry, hooks=OWN_KIND.format(line=line))
    suite.samples = lambda self, folder: samples.write(tiny_entry.preprocess, folder)  # type: ignore[method-assign]
    assert failed == list(failing(suite, ["test_arrays_fit_the_example_inputs", "test_preprocessing_needs_no_torch"]))


def test_preprocessing_that_only_training_would_do_is_found(tiny):
    hook = PREPARE.format(body='return {"image": core(inputs)["image"][:, ::-1].copy()}')
    assert list(failing(tiny(hooks=hook), CHEAP + PROCESSES[1:])) == ["test_preprocessing_needs_no_torch"]


EXPORT = """
@hookimpl
def export(model, path, opset):
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper
    from tlzoo.models.onnx_export import export_graph
    graph = export_graph(model, path, opset)
    if graph.outputs[0] != "logits":
        return graph
    proto = onnx.load(path)
    [node] = [node for node in proto.graph.node if "logits" in node.output]
    node.output[0] = "plain"
    proto.graph.initializer.append(numpy_helper.from_array(np.array([3], np.int64), "three"))
    for kind, given, made, more in (
        ("Shape", ["image"], "size", {"start": 0, "end": 1}),
        ("Equal", ["size", "three"], "is_three", {}),
        ("Cast", ["is_three"], "one", {"to": onnx.TensorProto.FLOAT}),
        ("Add", ["plain", "one"], "logits", {}),
    ):
        proto.graph.node.append(helper.make_node(kind, given, [made], **more))
    onnx.save(proto, path)
    return graph
"""


def test_an_export_that_differs_at_a_batch_of_three_is_found(tiny):
    found = failing(tiny(hooks=EXPORT), EXPORTS)
    assert list(found) == ["test_the_export_equals_the_model"]
    assert "differs from the trained model" in found.popitem()[1]
