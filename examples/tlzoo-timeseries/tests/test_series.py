"""Files and arrays become arrays of a fixed shape, or an error that names them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tlzoo.errors import InputError, UsageError

from tlzoo_timeseries.series import Shape, fit_length, read, stack

FINITE = st.floats(-1e30, 1e30)
SERIES = arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, max_side=16), elements=FINITE)


@given(series=SERIES, length=st.integers(8, 64), fit=st.sampled_from(["resample", "pad"]))
def test_any_finite_series_gets_the_shape_and_stays_within_its_range(series: np.ndarray, length: int, fit: Any):
    made = stack([series], Shape(series.shape[1], length, fit))["series"]
    assert (made.shape, made.dtype) == ((1, series.shape[1], length), np.float32)
    margin = 1e-6 * np.abs(series).max() + 1e-30
    assert (made >= series.min() - margin).all()
    assert (made <= series.max() + margin).all()


@given(series=arrays.arrays(np.float64, (20, 2), elements=FINITE))
def test_a_series_of_the_right_length_is_left_alone(series: np.ndarray):
    for fit in ("resample", "pad"):
        assert np.array_equal(series.T.astype(np.float32), fit_length(series, Shape(2, 20, fit)))


@given(series=SERIES)
def test_a_csv_file_with_or_without_header_reads_as_the_array_does(
    series: np.ndarray, tmp_path_factory: pytest.TempPathFactory
):
    file = tmp_path_factory.mktemp("series") / "one.csv"
    for header in ("", ",".join(f"channel{i}" for i in range(series.shape[1]))):
        np.savetxt(file, series, fmt="%.17g", delimiter=",", header=header, comments="")
        assert np.array_equal(series, read(file, series.shape[1]))


@given(bytes_=st.binary(max_size=300), ending=st.sampled_from([".csv", ".npy"]), magic=st.booleans())
def test_random_bytes_are_read_or_refused_and_nothing_else(
    bytes_: bytes, ending: str, magic: bool, tmp_path_factory: pytest.TempPathFactory
):
    file = tmp_path_factory.mktemp("noise") / f"noise{ending}"
    file.write_bytes((b"\x93NUMPY\x01\x00v\x00" if magic else b"") + bytes_)
    try:
        found = read(file, 1)
    except InputError as error:
        found, named = np.zeros(1), str(file) in error.message
    else:
        named = True
    assert np.isfinite(found).all()
    assert named


def test_a_longer_series_is_cut_and_a_shorter_one_ends_in_its_mean():
    series = np.arange(10.0)[:, None]
    assert fit_length(series, Shape(1, 8, "pad"))[0].tolist() == list(range(8))
    assert fit_length(series, Shape(1, 12, "pad"))[0].tolist() == [*range(10), 4.5, 4.5]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_channels_whatever_stands_between_them(tmp_path: Path, delimiter: str):
    (tmp_path / "two.csv").write_text(f"x{delimiter}y\n1{delimiter}2\n3{delimiter}4\n")
    assert read(tmp_path / "two.csv", 2).tolist() == [[1, 2], [3, 4]]


def test_a_flat_array_is_one_channel(tmp_path: Path):
    np.save(tmp_path / "flat.npy", np.arange(5, dtype=np.int16))
    assert read(tmp_path / "flat.npy", 1).shape == (5, 1)
    assert read([1, 2, 3], 1).shape == (3, 1)


def huge_header(file: Path) -> None:
    """A .npy of 128 bytes that says it holds a terabyte."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (131072, 1048576), }".ljust(117) + b"\n"
    file.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def npz(file: Path) -> None:
    """An archive under the name of an array."""
    np.savez(file.with_suffix(".npz"), a=np.arange(3.0))
    file.with_suffix(".npz").rename(file)


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("nan.csv", lambda file: file.write_text("1\nnan\n"), "step 2, channel 1"),
        ("inf.csv", lambda file: file.write_text("1\n2\n-inf\n"), "step 3"),
        ("too-large.csv", lambda file: file.write_text("1\n1e39\n"), "step 2"),
        ("word.csv", lambda file: file.write_text("x\n1\ny\n"), "'y', which is not a number, in line 3"),
        ("gap.csv", lambda file: file.write_text("1,2\n1,\n"), "in line 2"),
        ("ragged.csv", lambda file: file.write_text("1,2\n1\n"), "1 cells in line 2"),
        ("header.csv", lambda file: file.write_text("x\n"), "is empty"),
        ("latin.csv", lambda file: file.write_bytes(b"\xe4\n1\n"), "not UTF-8"),
        ("missing.csv", lambda file: None, "cannot be read"),
        ("folder.csv", lambda file: file.mkdir(), "cannot be read"),
        ("promise.npy", huge_header, "not a complete .npy"),
        ("archive.npy", npz, ".npz archive"),
        ("pickle.npy", lambda file: np.save(file, np.array([[1], [2, 3]], dtype=object)), "not a complete .npy"),
        ("complex.npy", lambda file: np.save(file, np.array([1j])), "not numbers"),
        ("cube.npy", lambda file: np.save(file, np.zeros((2, 2, 2))), "3 axes"),
    ],
)
def test_a_bad_file_is_refused_by_name_with_a_way_out(tmp_path: Path, name: str, make: Any, said: str):
    make(tmp_path / name)
    with pytest.raises(InputError) as error:
        read(tmp_path / name, 1)
    assert name in error.value.message
    assert said in error.value.message
    assert error.value.hint


def test_a_wrong_number_of_channels_says_how_to_train_for_it():
    with pytest.raises(InputError, match="2 channels, the model takes 1") as error:
        read(np.zeros((5, 2)), 1)
    assert "--preprocess channels=2" in error.value.hint


@pytest.mark.parametrize(
    "options", [{"size": 3}, {"length": 7}, {"length": "long"}, {"channels": 17}, {"channels": True}, {"fit": "crop"}]
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any]):
    with pytest.raises(UsageError, match=next(iter(options))):
        Shape.of(options)


def test_preprocessing_imports_no_torch():
    code = "import sys, tlzoo_timeseries.plugin, tlzoo_timeseries.series; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
