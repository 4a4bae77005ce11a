"""What holds for every modality: a sample's draw is its own, arrays keep their form, mistakes are named."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from tlzoo.augment import make_augment, signature
from tlzoo.errors import UsageError
from tlzoo.options import POLICIES

_RNG = np.random.default_rng(7)
BATCHES = {
    "image": {"image": _RNG.integers(0, 256, (5, 24, 32, 3), dtype=np.uint8)},
    "text": {
        "input_ids": _RNG.integers(5, 99, (5, 40)),
        "attention_mask": (np.arange(40) < np.array([[40], [33], [12], [40], [20]])).astype(np.int64),
    },
    "audio": {"audio": _RNG.normal(0, 0.1, (5, 1600)).astype(np.float32)},
}
CASES = [(modality, policy) for modality in BATCHES for policy in ("light", "strong")]
CASES += [("image", "light-noflip"), ("image", "strong-noflip")]
each_case = pytest.mark.parametrize(("modality", "policy"), CASES)


def _part(arrays: dict[str, np.ndarray], positions: list[int]) -> dict[str, np.ndarray]:
    return {name: array[positions] for name, array in arrays.items()}


def _same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@each_case
def test_a_sample_is_drawn_alike_in_any_batch_and_order(modality: str, policy: str):
    arrays, indices = BATCHES[modality], [10, 11, 12, 13, 14]
    whole = make_augment(modality, policy, seed=3)(arrays, indices, 2)
    for positions in ([4, 0, 2], [1]):
        some = make_augment(modality, policy, seed=3)(_part(arrays, positions), [indices[p] for p in positions], 2)
        assert _same(_part(whole, positions), some)


@each_case
@pytest.mark.parametrize(("seed", "first_index", "view"), [(4, 10, 2), (3, 50, 2), (3, 10, 3)])
def test_another_seed_sample_or_view_is_another_draw(
    modality: str, policy: str, seed: int, first_index: int, view: int
):
    arrays = BATCHES[modality]
    one = make_augment(modality, policy, seed=3)(arrays, range(10, 15), 2)
    assert not _same(one, make_augment(modality, policy, seed)(arrays, range(first_index, first_index + 5), view))


@each_case
def test_global_generators_neither_matter_nor_move(modality: str, policy: str):
    augment = make_augment(modality, policy, seed=0)
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        drawn.append(augment(BATCHES[modality], range(5), 0))
        assert torch.equal(states[0], torch.get_rng_state())
        assert np.array_equal(states[1], np.random.get_state()[1])
        assert states[2] == random.getstate()
    assert _same(*drawn)


@each_case
def test_arrays_keep_names_shapes_and_types_and_the_given_ones_their_values(modality: str, policy: str):
    given = {name: array.copy() for name, array in BATCHES[modality].items()}
    for array in given.values():
        array.flags.writeable = False
    changed = make_augment(modality, policy, seed=0)(given, range(5), 0)
    assert {n: (a.shape, a.dtype) for n, a in given.items()} == {n: (a.shape, a.dtype) for n, a in changed.items()}
    assert _same(BATCHES[modality], given)
    assert not any(np.shares_memory(given[name], changed[name]) for name in given)
    assert not _same(given, changed)


@each_case
def test_an_empty_batch_stays_empty(modality: str, policy: str):
    changed = make_augment(modality, policy, seed=0)(_part(BATCHES[modality], []), [], 0)
    assert all(len(array) == 0 for array in changed.values())


def test_none_is_no_augmentation():
    assert [make_augment(modality, "none", seed=0) for modality in (*BATCHES, "video")] == [None] * 4


@each_case
def test_signatures_tell_all_cases_apart_and_hold_the_parameters(modality: str, policy: str):
    others = {signature(*case) for case in CASES if case != (modality, policy)} | {signature(modality, "none")}
    assert len(others) == len(CASES)
    assert signature(modality, policy) not in others
    assert "=" in signature(modality, policy)


def test_a_signature_is_the_same_in_another_process():
    code = "from tlzoo.augment import signature; print(signature('image', 'strong'), end='')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert signature("image", "strong") == done.stdout


def test_no_torch_is_imported():
    code = "import sys, tlzoo.augment; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("modality", "policy", "seed", "named"),
    [
        ("image", "wild", 0, "wild"),
        ("video", "light", 0, "video"),
        ("text", "light-noflip", 0, "light-noflip"),
        ("audio", "strong-noflip", 0, "strong-noflip"),
        ("image", "light", -1, "-1"),
    ],
)
def test_what_cannot_be_made_is_named_with_a_way_out(modality: str, policy: str, seed: int, named: str):
    with pytest.raises(UsageError) as caught:
        make_augment(modality, policy, seed)
    assert named in caught.value.message
    assert caught.value.hint


def test_a_policy_that_is_unknown_lists_all_of_them():
    with pytest.raises(UsageError) as caught:
        signature("image", "wild")
    assert all(policy in caught.value.hint for policy in POLICIES)


def test_arrays_without_the_one_to_change_are_refused_by_name():
    with pytest.raises(UsageError, match="pixel_values"):
        make_augment("image", "light", 0)({"pixel_values": np.zeros((1, 3, 4, 4))}, [0], 0)


def test_as_many_indices_as_samples_are_needed():
    with pytest.raises(ValueError, match="shorter"):
        make_augment("text", "light", 0)(BATCHES["text"], [0, 1], 0)


@pytest.mark.parametrize(
    ("modality", "policy", "seed", "message", "hint", "parameter"),
    [
        ("image", "wild", 0, "`augment` cannot be 'wild'.", f"Give one of: {', '.join(POLICIES)}.", "augment"),
        ("video", "light", 0, "There is no augmentation for video.", "Leave `augment` out.", "augment"),
        (
            "text",
            "light-noflip",
            0,
            "`augment='light-noflip'` is for pictures, not for text.",
            "Give one of: none, light, strong.",
            "augment",
        ),
        ("image", "light", -1, "`seed` cannot be -1.", "Give 0 or more.", "seed"),
    ],
)
def test_each_mistake_in_its_own_words(modality: str, policy: str, seed: int, message: str, hint: str, parameter: str):
    with pytest.raises(UsageError) as caught:
        make_augment(modality, policy, seed)
    assert (caught.value.message, caught.value.hint, caught.value.parameter) == (message, hint, parameter)


def test_a_model_without_the_array_to_change_is_told_what_it_takes():
    with pytest.raises(UsageError) as caught:
        make_augment("text", "light", 0)({"ids": np.zeros((1, 2)), "types": np.zeros((1, 2))}, [0], 0)
    assert caught.value.message == (
        "Augmentation of text needs the input 'attention_mask'; this model takes ids, types."
    )
    assert (caught.value.hint, caught.value.parameter) == ("Leave `augment` out.", "augment")


def test_signatures_hold_modality_revision_and_parameters():
    assert signature("text", "light") == "text/1 TextPolicy(drop=0.05)"
    assert signature("video", "none") == signature("image", "none") == "none"


def test_a_seed_of_0_is_a_seed():
    [row] = make_augment("text", "strong", 0)(_part(BATCHES["text"], [0]), [3], 1)["attention_mask"]
    drawn = np.random.default_rng([0, 1, 3]).random(38) < 0.15
    assert row.tolist() == [1, *(~drawn).astype(int), 1]
