"""Checks of preprocessing: arrays as the backbone takes them, the same alone and together, here and without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlzoo.errors import InputError
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.preprocess import Preprocessor
from tlzoo.testing import without_torch
from tlzoo.testing.base import SuiteBase, cached, requires
from tlzoo.testing.without_torch import digests

FEW = 4


class Preprocessing(SuiteBase):
    """From raw inputs to arrays."""

    @cached
    def preprocessor(self) -> Preprocessor:
        """As training makes it."""
        return checkpoint_preprocessor(self.entry(), self.backbone().preprocess)

    @requires("test_outputs_are_as_declared")
    def test_arrays_fit_the_example_inputs(self) -> None:
        """Preprocessing gives arrays of the names, order, types and fixed sizes of the backbone's example inputs.

        Fix: `example_inputs`, `preprocess` or the preprocessor, so that they agree.
        """
        backbone, inputs = self.backbone(), self.inputs()[:FEW]
        arrays = self.preprocessor()(inputs)
        assert list(arrays) == list(backbone.example_inputs), (
            f"Preprocessing gives {', '.join(arrays)}; the example inputs are {', '.join(backbone.example_inputs)}."
        )
        for name, example in backbone.example_inputs.items():
            array, wanted = arrays[name], str(example.dtype).removeprefix("torch.")
            assert str(array.dtype) == wanted, f"Preprocessing gives {name!r} as {array.dtype}, not {wanted}."
            assert array.ndim == example.ndim, f"Preprocessing gives {name!r} {array.ndim} axes, not {example.ndim}."
            assert len(array) == len(inputs), (
                f"Preprocessing gives {len(array)} rows of {name!r} for {len(inputs)} inputs."
            )
            for at in set(range(1, array.ndim)) - set(backbone.dynamic_axes.get(name, {})):
                assert array.shape[at] == example.shape[at], (
                    f"Axis {at} of {name!r} is {array.shape[at]} after preprocessing and {example.shape[at]} in the "
                    "example; sizes that vary are declared in dynamic_axes."
                )

    @requires("test_arrays_fit_the_example_inputs")
    def test_an_input_alone_is_prepared_as_in_a_batch(self) -> None:
        """An input gives the same array alone, in a batch (padding aside) and a second time.

        Fix: take no statistics over the batch, and draw nothing at random: augmentation is training's.
        """
        inputs, make = self.inputs()[:FEW], self.preprocessor()
        together, again = make(inputs), make(inputs)
        for name, array in together.items():
            assert np.array_equal(array, again[name]), (
                f"Preprocessing the same inputs twice gives two different {name!r}."
            )
        for row, item in enumerate(inputs):
            for name, alone in make([item]).items():
                shared = tuple(slice(0, size) for size in alone.shape[1:])
                assert np.array_equal(alone[0], together[name][row][shared]), (
                    f"Input {row} alone gives another {name!r} than in its batch. Prepare each input by itself."
                )

    @requires("test_arrays_fit_the_example_inputs")
    def test_a_broken_input_raises_input_error(self) -> None:
        """What is empty, torn, missing or of the wrong type raises `tlzoo.errors.InputError`, and nothing else.

        Fix: catch what the decoder raises and raise InputError naming the input: a server answers that one input with
        it, and goes on.
        """
        make = self.preprocessor()
        folder = self.folder() / "broken-inputs"
        folder.mkdir(exist_ok=True)
        for item in self.broken(folder):
            shown = _shown(item)
            try:
                make([item])
            except InputError as error:
                if error.message:
                    continue
                raise AssertionError(f"{shown} raises an InputError that says nothing.") from error
            except Exception as error:
                raise AssertionError(
                    f"{shown} raises {type(error).__name__}: {error}. Raise tlzoo.errors.InputError instead."
                ) from error
            raise AssertionError(f"{shown} is accepted. Raise tlzoo.errors.InputError for what cannot be read.")

    @requires("test_arrays_fit_the_example_inputs", "test_importing_it_imports_no_heavy_library")
    def test_preprocessing_needs_no_torch(self) -> None:
        """In a process without torch the same specification gives the same arrays.

        Fix: keep the preprocessor to numpy and what the plugin's distribution needs without training; a specification
        of kind `plugin` carries all that it takes in its `options`.
        """
        inputs = list(self.inputs()[:FEW])
        here = digests(self.preprocessor()(inputs))
        spec = self.backbone().preprocess.model_dump(mode="json")
        there = without_torch.run_without_torch(
            without_torch.prepare, str(self.folder() / "cache"), spec=spec, inputs=inputs
        )
        wanted = ", ".join(there.pop("imported"))
        assert not wanted, f"Preprocessing imports {wanted}, which need not be there. Do without it."
        assert "error" not in there, f"Preprocessing fails where torch cannot be imported: {there['error']}"
        differing = [name for name in here if there.get(name) != here[name]]
        assert not differing, f"Without torch, preprocessing gives another {differing[0]!r} than in training."


def _shown(item: Any) -> str:
    text = repr(item)
    return f"The broken input {text if len(text) <= 80 else '…' + text[-79:]}"
