"""Checks of what a backbone gives: shapes, determinism, one row at a time, other sizes, the same network again."""

from __future__ import annotations

from unittest import SkipTest

import torch

from tlzoo.errors import first_line
from tlzoo.interfaces import Backbone
from tlzoo.specs import TextSpec
from tlzoo.testing.base import UNCOUNTED_SHARE, SuiteBase, report_note, requires

SHAPES = {"vector": "[N, D]", "sequence": "[N, T, D]", "map": "[N, C, H, W]"}
RANK = {"vector": 2, "sequence": 3, "map": 4}
WIDTH_AT = {"vector": 1, "sequence": 2, "map": 1}


def outputs_of(backbone: Backbone, inputs: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
    """What the backbone gives for its example inputs, or for others; several outputs side by side, [N, ...]."""
    with torch.no_grad():
        given = backbone.example_inputs if inputs is None else inputs
        outputs = backbone.module(*given.values())
    several: tuple[torch.Tensor, ...] = outputs if isinstance(outputs, tuple) else (outputs,)
    return several[0] if len(several) == 1 else torch.cat([each.flatten(1) for each in several], dim=1)


def relative_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    if one.shape != other.shape:
        return float("inf")
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-12))


class Shapes(SuiteBase):
    """The backbone as a function."""

    def test_outputs_are_as_declared(self) -> None:
        """Each output is finite float32 [N, D], [N, T, D] or [N, C, H, W], its width as declared and as in the entry.

        Example inputs have a batch of 2 or more and a tensor of their own each. Fix: `feature_dim` of the Backbone or
        of the entry, the module, or the example inputs, as the message says.
        """
        for output in self.outputs:
            backbone = self.bare() if output == self.first_output() else self.built(output)
            assert backbone.output == output, f"Asked for {output!r}, the backbone says {backbone.output!r}."
            _check_examples(backbone)
            outputs = outputs_of(backbone)
            batch = next(iter(backbone.example_inputs.values())).shape[0]
            shape = list(outputs.shape)
            right = outputs.ndim == RANK[output] and shape[0] == batch
            assert right, f"Output {output!r} has shape {shape} for a batch of {batch}; it must be {SHAPES[output]}."
            assert shape[WIDTH_AT[output]] == backbone.feature_dim, (
                f"Output {output!r} is {shape[WIDTH_AT[output]]} wide, feature_dim says {backbone.feature_dim}. "
                "Correct feature_dim in load_backbone."
            )
            assert outputs.dtype == torch.float32, (
                f"Output {output!r} is {outputs.dtype}; a backbone on the CPU gives float32."
            )
            assert bool(torch.isfinite(outputs).all()), f"Output {output!r} of the example inputs is not finite."
        entry, width = self.entry(), self.bare().feature_dim
        assert width == entry.feature_dim, (
            f"Entry {entry.id!r} says feature_dim {entry.feature_dim}, its backbone {width}. Correct one of them."
        )

    @requires("test_outputs_are_as_declared")
    def test_its_parameters_are_counted(self) -> None:
        """The backbone has as many parameters as its entry says; a tenth may be left out.

        Fix: `parameters` in the entry. It counts the backbone without its head.
        """
        entry = self.entry()
        found = sum(parameter.numel() for parameter in self.bare().module.parameters())
        assert abs(found - entry.parameters) <= UNCOUNTED_SHARE * entry.parameters, (
            f"Entry {entry.id!r} says {entry.parameters:,} parameters, its backbone has {found:,}. Correct the entry."
        )
        if found != entry.parameters:
            report_note(f"Entry {entry.id!r} says {entry.parameters:,} parameters; its backbone has {found:,}.")

    @requires("test_outputs_are_as_declared")
    def test_it_is_deterministic_in_eval_mode(self) -> None:
        """The module comes in eval mode and gives the same bits twice.

        Fix: call `.eval()` in load_backbone, and draw no random numbers in `forward`.
        """
        training = [name or "itself" for name, module in self.bare().module.named_modules() if module.training]
        assert not training, f"Module {training[0]!r} is in training mode. Return the module after .eval()."
        first, second = outputs_of(self.bare()), outputs_of(self.bare())
        assert torch.equal(first, second), (
            "Two passes over the same inputs differ. Draw nothing at random in eval mode."
        )

    @requires("test_outputs_are_as_declared", "test_it_is_deterministic_in_eval_mode")
    def test_declared_axes_vary(self) -> None:
        """The batch of every input is a dynamic axis, and the module takes other sizes of every axis in `dynamic_axes`.

        Fix: declare {0: "batch"} for each input; take sizes from the inputs in `forward`, not from constants.
        """
        backbone = self.bare()
        for name, tensor in backbone.example_inputs.items():
            axes = backbone.dynamic_axes.get(name, {})
            assert 0 in axes, f"Input {name!r} has no dynamic batch. Declare dynamic_axes[{name!r}] = {{0: 'batch'}}."
            assert all(0 <= at < tensor.ndim for at in axes), (
                f"Input {name!r} has {tensor.ndim} axes, not {max(axes) + 1}."
            )
        strange = sorted(set(backbone.dynamic_axes) - set(backbone.example_inputs))
        assert not strange, f"dynamic_axes names {strange[0]!r}, which is no input."
        names = {axis for axes in backbone.dynamic_axes.values() for axis in axes.values()}
        for axis in sorted(names):
            for inputs, size in _resized(backbone, axis):
                try:
                    rows = len(outputs_of(backbone, inputs))
                except Exception as error:
                    raise AssertionError(
                        f"Axis {axis!r} is declared dynamic, and the module fails at size {size}: {first_line(error)}"
                    ) from error
                batch = len(next(iter(inputs.values())))
                assert rows == batch, f"With axis {axis!r} at {size}, {batch} samples give {rows} rows."

    @requires("test_declared_axes_vary")
    def test_a_sample_alone_gives_what_it_gives_in_a_batch(self) -> None:
        """Each row of a batch gives what it gives alone: nothing is normalised, pooled or padded over the batch.

        Fix: look for a mean, a norm or a reshape over axis 0, and for batch statistics in eval mode.
        """
        backbone = self.bare()
        together = outputs_of(backbone)
        for row in range(len(together)):
            inputs = {name: tensor[row : row + 1] for name, tensor in backbone.example_inputs.items()}
            difference = relative_difference(together[row : row + 1], outputs_of(backbone, inputs))
            assert difference <= self.tolerance, (
                f"Sample {row} alone gives another output than in its batch (by {difference:.1e} of the scale). "
                "Something in `forward` mixes the samples of a batch."
            )

    @requires("test_outputs_are_as_declared")
    def test_seeds_give_different_random_weights(self) -> None:
        """With `weights=None`, another seed of torch gives other weights.

        Fix: draw random weights from torch's generator, and set no seed in load_backbone.
        """
        first, second = (self.built(self.first_output(), seed, weights=None).module.state_dict() for seed in (1, 2))
        if not first:
            raise SkipTest("It has no weights.")
        same = all(torch.equal(tensor, second[name]) for name, tensor in first.items())
        assert not same, "Random weights are the same under two seeds. Does load_backbone set a seed?"

    @requires("test_outputs_are_as_declared", "test_it_is_deterministic_in_eval_mode")
    def test_its_config_rebuilds_it(self) -> None:
        """The entry with the backbone's `config` and `weights=None` gives the same network: runs are loaded so.

        Fix: put every argument of the architecture that the entry lacks into `Backbone.config`, and keep what the
        weights decide in parameters and buffers.
        """
        backbone = self.bare()
        config = {} if backbone.config is None else {"config": dict(backbone.config)}
        again = self.built(self.first_output(), 3, weights=None, **config)
        before, after_ = backbone.module.state_dict(), again.module.state_dict()
        different = sorted(set(before) ^ set(after_)) or [n for n in before if before[n].shape != after_[n].shape]
        assert not different, (
            f"Built again from its config, the network differs in {different[0]!r}. Complete Backbone.config."
        )
        again.module.load_state_dict(before)
        difference = relative_difference(outputs_of(backbone), outputs_of(again, dict(backbone.example_inputs)))
        assert difference <= self.tolerance, (
            f"Built again and given its weights, the network gives other outputs (by {difference:.1e} of the scale). "
            "Something that decides them is neither in Backbone.config nor in the state dict."
        )
        assert [s.name for s in again.stages] == [s.name for s in backbone.stages], "Built again, it has other stages."


def _check_examples(backbone: Backbone) -> None:
    tensors = list(backbone.example_inputs.values())
    assert tensors, "The backbone has no example inputs."
    sizes = {len(tensor) for tensor in tensors}
    enough = len(sizes) == 1 and min(sizes) >= 2
    assert enough, f"Example inputs have batches of {sorted(sizes)}; give 2 or more, all alike."
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    assert len(storages) == len(tensors), "Two example inputs share one tensor: an export would make one input of them."


def _resized(backbone: Backbone, axis: str) -> list[tuple[dict[str, torch.Tensor], int]]:
    """The example inputs with this axis one shorter and one longer, the batch at 1 and at 3 more as well."""
    examples, axes = backbone.example_inputs, backbone.dynamic_axes
    places = {name: [at for at, called in axes.get(name, {}).items() if called == axis] for name in examples}
    size = next(examples[name].shape[where[0]] for name, where in places.items() if where)
    sizes = {size - 1, size + 1} | ({1, size + 3} if any(0 in where for where in places.values()) else set())
    spec = backbone.preprocess
    most = spec.max_length if isinstance(spec, TextSpec) and axis != axes["input_ids"].get(0) else size + 3
    found = []
    for wanted in sorted(sizes):
        if 1 <= wanted <= most:
            index = torch.arange(wanted) % size
            found.append(({name: _selected(tensor, places[name], index) for name, tensor in examples.items()}, wanted))
    return found


def _selected(tensor: torch.Tensor, places: list[int], index: torch.Tensor) -> torch.Tensor:
    for at in places:
        tensor = tensor.index_select(at, index)
    return tensor.clone()
