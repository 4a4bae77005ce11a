"""The activation store: what is put comes back, byte for byte, and nothing torn is ever used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlzoo.errors import TrainingError
from tlzoo.features.store import Activations, ActivationsTooLarge, ActivationWriter, Layout, load_or_compute

MAPS = Layout("maps", "float32", (3, 4))
WORDS = Layout("words", "float32", (None, 5))
MASK = Layout("mask", "bool", (None,))
HEADS = Layout("heads", "int64", (2, None, 3))
linux = pytest.mark.needs("linux")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all entries, in a cache of its own."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "activations"


def numbers(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 4), dtype=np.float32)


def put_all(array: np.ndarray, step: int = 4) -> Callable[[ActivationWriter], None]:
    """Puts the array in batches whose positions are shuffled."""

    def compute(writer: ActivationWriter) -> None:
        order = np.random.default_rng(1).permutation(len(array))
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            writer.put(chosen.tolist(), {"maps": array[chosen]})

    return compute


def never(writer: ActivationWriter) -> None:
    raise AssertionError("computed again")


def keep(key: str, count: int = 10, limit_gb: float = 1.0, compute: Any = None) -> Activations:
    return load_or_compute(key, [MAPS], count, compute or put_all(numbers(count)), limit_gb=limit_gb)


def whole(kept: Activations, name: str) -> np.ndarray:
    """A layout of fixed shape, all its samples."""
    rows, lengths = kept.rows(name, np.arange(kept.count))
    assert lengths is None
    return rows


def names(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir())


def test_the_second_open_computes_nothing_and_gives_the_same_bytes(store: Path):
    first = keep("a")
    second = keep("a", compute=never)
    assert (first.reused, second.reused) == (False, True)
    np.testing.assert_array_equal(numbers(10), whole(second, "maps"))
    np.testing.assert_array_equal(numbers(10)[[7, 0, 7]], second.batch([7, 0, 7])["maps"])
    assert (second.count, second.nbytes, second.lengths()) == (10, 10 * 3 * 4 * 4, None)


@pytest.mark.parametrize(
    "other", [[MAPS, WORDS], [Layout("maps", "float16", (3, 4))], [Layout("maps", "float32", (4, 3))]]
)
def test_an_entry_of_other_layouts_is_computed_again(store: Path, other: list[Layout]):
    keep("a")

    def compute(writer: ActivationWriter) -> None:
        shapes = {each.name: [2 if side is None else side for side in each.shape] for each in other}
        writer.put(range(10), {name: np.zeros((10, *shape), np.float32) for name, shape in shapes.items()})

    assert not load_or_compute("a", other, 10, compute, limit_gb=1).reused
    assert load_or_compute("a", other, 10, never, limit_gb=1).reused


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=12), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_ragged_samples_come_back_as_put_in_any_order_padded_with_zeros(lengths: list[int], step: int, seed: int):
    random = np.random.default_rng(seed)
    words = [random.standard_normal((n, 5), dtype=np.float32) for n in lengths]
    heads = [random.integers(-9, 9, (2, n, 3)) for n in lengths]
    order = random.permutation(len(lengths))

    def batch_of(chosen: Sequence[int], junk: int) -> dict[str, np.ndarray]:
        longest = max((lengths[i] for i in chosen), default=0)
        batch = {
            "words": np.full((len(chosen), longest, 5), junk, np.float32),
            "mask": np.full((len(chosen), longest), bool(junk)),
            "heads": np.full((len(chosen), 2, longest, 3), junk),
        }
        for j, i in enumerate(chosen):
            batch["words"][j, : lengths[i]] = words[i]
            batch["mask"][j, : lengths[i]] = True
            batch["heads"][j, :, : lengths[i]] = heads[i]
        return batch

    def compute(writer: ActivationWriter) -> None:
        for start in range(0, len(order), step):
            chosen = order[start : start + step].tolist()
            writer.put(chosen, batch_of(chosen, junk=7), np.array([lengths[i] for i in chosen]))

    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setenv("TLZOO_CACHE", folder)
        for work in (compute, never):
            kept = load_or_compute("texts", [WORDS, MASK, HEADS], len(lengths), work, limit_gb=1)
            asked = random.integers(0, len(lengths), 5).tolist() if lengths else []
            expected = batch_of(asked, junk=0)
            actual = kept.batch(asked)
            for name in expected:
                np.testing.assert_array_equal(expected[name], actual[name])
            np.testing.assert_array_equal(lengths, kept.lengths())
            rows, sizes = kept.rows("words", np.array(asked, dtype=int))
            np.testing.assert_array_equal(rows, np.concatenate([np.zeros((0, 5)), *(words[i] for i in asked)]))
            np.testing.assert_array_equal(sizes, [lengths[i] for i in asked])


def test_nan_with_its_payload_and_infinity_pass_unharmed(store: Path):
    strange = np.array([0x7FC00001, 0xFFC12345, 0x7F800000, 0x80000000], np.uint32).view(np.float32)
    layout = Layout("x", "float32", (4,))
    kept = load_or_compute("a", [layout], 1, lambda writer: writer.put([0], {"x": strange[None]}), limit_gb=1)
    assert strange.tobytes() == kept.batch([0])["x"].tobytes()


def test_float16_rounds_what_it_can_hold_and_refuses_what_it_cannot(store: Path):
    half = Layout("x", "float16", (3,))
    held = np.array([[1 / 3, np.nan, np.inf]], np.float32)
    kept = load_or_compute("a", [half], 1, lambda writer: writer.put([0], {"x": held}), limit_gb=1)
    np.testing.assert_array_equal(held.astype(np.float16), kept.batch([0])["x"])
    beyond = np.array([[1, 70000, np.nan]], np.float32)
    with pytest.raises(TrainingError, match="65504") as raised:
        load_or_compute("b", [half], 1, lambda writer: writer.put([0], {"x": beyond}), limit_gb=1)
    assert "fp32" in raised.value.hint
    assert names(store) == ["a"]


@pytest.mark.parametrize(
    ("positions", "shape", "error"),
    [
        ([0], (1, 3, 4), RuntimeError),
        ([0, 1, 2, 0], (4, 3, 4), ValueError),
        ([0, 1, 3], (3, 3, 4), ValueError),
        ([0, 1, 2], (3, 4, 3), ValueError),
        ([0, 1, 2], (2, 3, 4), ValueError),
    ],
)
def test_every_position_must_be_written_once_in_its_shape(
    store: Path, positions: list[int], shape: tuple[int, ...], error: type[Exception]
):
    with pytest.raises(error):
        keep("a", 3, compute=lambda writer: writer.put(positions, {"maps": np.zeros(shape, np.float32)}))
    assert names(store) == []


def test_a_position_put_before_is_refused_in_a_later_batch(store: Path):
    def compute(writer: ActivationWriter) -> None:
        writer.put([0, 1], {"maps": numbers(2)})
        with pytest.raises(ValueError, match="twice"):
            writer.put([2, 1], {"maps": numbers(2)})
        writer.put([2], {"maps": numbers(1)})

    keep("a", 3, compute=compute)


@pytest.mark.parametrize("lengths", [[3, 5], [3, -1], [3]])
def test_lengths_must_be_one_per_sample_within_the_padded_axis(store: Path, lengths: list[int]):
    words = np.zeros((2, 4, 5), np.float32)
    with pytest.raises(ValueError, match="from 0 to 4"):
        load_or_compute(
            "a", [WORDS], 2, lambda writer: writer.put([0, 1], {"words": words}, np.array(lengths)), limit_gb=1
        )


def test_numbers_of_another_kind_are_not_forced_into_a_layout(store: Path):
    with pytest.raises(TypeError):
        load_or_compute("a", [Layout("x", "uint8", ())], 1, lambda w: w.put([0], {"x": np.array([1.5])}), limit_gb=1)


def test_what_failed_in_compute_passes_through_and_leaves_nothing(store: Path):
    def compute(writer: ActivationWriter) -> None:
        writer.put([0], {"maps": numbers(1)})
        raise FileNotFoundError("a sample")

    with pytest.raises(FileNotFoundError):
        keep("a", compute=compute)
    assert names(store) == []


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda entry: flip(entry / "0.bin", 200),
    "a flipped checksum": lambda entry: flip(entry / "checksums.bin", 3),
    "a flipped bit in meta.json": lambda entry: flip(entry / "meta.json", 30),
    "cut short": lambda entry: os.truncate(entry / "0.bin", 100),
    "too long": lambda entry: (entry / "0.bin").write_bytes((entry / "0.bin").read_bytes() + b"1234"),
    "emptied": lambda entry: os.truncate(entry / "0.bin", 0),
    "without its data": lambda entry: (entry / "0.bin").unlink(),
    "without meta.json": lambda entry: (entry / "meta.json").unlink(),
    "not JSON": lambda entry: (entry / "meta.json").write_bytes(b"\xff\x00"),
    "another JSON": lambda entry: (entry / "meta.json").write_text("[1, null]"),
    "of another version": lambda entry: (entry / "meta.json").write_text(
        json.dumps(json.loads((entry / "meta.json").read_text()) | {"version": 0})
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_computed_again_and_never_used(store: Path, damage: Callable[[Path], object]):
    keep("a")
    damage(store / "a")
    again = keep("a")
    assert not again.reused
    np.testing.assert_array_equal(numbers(10), whole(again, "maps"))
    assert keep("a", compute=never).reused


def test_a_damaged_entry_takes_no_room_while_it_is_computed_again(store: Path):
    keep("a")
    (store / "a" / "0.bin").unlink()
    with pytest.raises(AssertionError):
        keep("a", compute=never)
    assert names(store) == []


def test_something_foreign_in_the_entrys_place_is_replaced(store: Path):
    store.mkdir(parents=True)
    (store / "a").write_text("not a folder")
    keep("a")
    assert keep("a", compute=never).reused


def test_a_large_entry_that_lost_a_stretch_is_computed_again(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tlzoo.features.store._CHECKED_WHOLE", 1000)
    keep("a", 5000)
    with (store / "a" / "0.bin").open("r+b") as file:
        file.seek(48 * 2000)
        file.write(bytes(48 * 100))
    assert not keep("a", 5000).reused
    assert keep("a", 5000, compute=never).reused


def test_an_entry_above_the_limit_is_refused_before_it_is_computed(store: Path):
    keep("a")
    with pytest.raises(ActivationsTooLarge, match=r"0\.48 GB"):
        keep("b", 10_000_000, limit_gb=0.4, compute=never)
    assert names(store) == ["a"]


def test_a_growing_entry_is_stopped_at_the_limit_with_an_estimate_of_the_whole(store: Path):
    taken = []

    def compute(writer: ActivationWriter) -> None:
        for i in range(100):
            writer.put([i], {"words": np.ones((1, 1000, 5), np.float32)})
            taken.append(i)

    with pytest.raises(ActivationsTooLarge, match=r"about 0\.02 GB"):  # 1000 samples of 20 kB
        load_or_compute("b", [WORDS], 1000, compute, limit_gb=0.0003)
    assert list(range(15)) == taken
    assert names(store) == []


@linux
@pytest.mark.release
def test_reading_everything_keeps_few_pages_resident(store: Path):
    wide = Layout("wide", "float32", (50_000,))

    def compute(writer: ActivationWriter) -> None:
        for i in range(0, 1000, 50):
            writer.put(range(i, i + 50), {"wide": np.full((50, 50_000), i, np.float32)})

    kept = load_or_compute("a", [wide], 1000, compute, limit_gb=1)
    before = resident_files()
    most = 0
    for i in range(0, 1000, 20):
        kept.batch(range(i, i + 20))
        most = max(most, resident_files())
    assert kept.nbytes == 200_000_000
    assert most - before < 80_000_000
    whole(kept, "wide").sum()
    assert resident_files() - before > 150_000_000
    kept.release()
    assert resident_files() - before < 10_000_000


def resident_files() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")]
    return int(line.split()[1]) * 1024
