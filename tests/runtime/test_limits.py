"""How much memory models may take, and what an error of ONNX Runtime means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort
import pytest

from tlzoo.errors import ArtifactError, InputError, TlzooError, UsageError
from tlzoo.runtime import limits
from tlzoo.runtime.limits import memory_limit, run_error, session_entries
from tlzoo.runtime.model_check import ModelCost


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1", 1),
        (" 100B ", 100),
        ("2k", 2**11),
        ("3MiB", 3 * 2**20),
        ("1.5G", 3 * 2**29),
        ("1 TB", 2**40),
        ("0.5 K", 512),
    ],
)
def test_a_variable_says_how_many_bytes(given: str, expected: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLZOO_MEMORY", given)
    assert memory_limit() == expected


@pytest.mark.parametrize("given", ["0", "0.0G", "much", "-1", "1 2", "1PB", "GB", ".5G"])
def test_what_is_no_size_is_refused(given: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLZOO_MEMORY", given)
    with pytest.raises(UsageError) as error:
        memory_limit()
    assert error.value.message == f"TLZOO_MEMORY cannot be {given!r}."
    assert error.value.hint == "Give a size: TLZOO_MEMORY=4GB"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 4,096 pages of 16 bytes, whose control groups state nothing yet."""
    monkeypatch.setenv("TLZOO_MEMORY", " ")
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 16, "SC_PHYS_PAGES": 4096}.__getitem__)
    monkeypatch.setattr(limits, "_CGROUPS", (str(tmp_path / "one"), str(tmp_path / "two")))
    return tmp_path


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [(None, None, 32768), ("max", None, 32768), ("1000", "max", 500), ("9999999", "600", 300), ("7", "8", 3)],
)
def test_else_half_of_what_the_machine_or_its_container_has(
    machine: Path, one: str | None, two: str | None, expected: int
):
    for name, text in (("one", one), ("two", two)):
        if text is not None:
            (machine / name).write_text(f"{text}\n")
    assert memory_limit() == expected


def test_where_nothing_is_known_there_is_no_limit(machine: Path, monkeypatch: pytest.MonkeyPatch):
    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    assert memory_limit() is None


@pytest.fixture
def arena(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What ONNX Runtime was asked for; a process may ask it once."""
    asked: list[object] = []
    monkeypatch.setattr(ort, "create_and_register_allocator", lambda *given: asked.append(given))
    limits._arena_is_limited.cache_clear()
    yield asked
    limits._arena_is_limited.cache_clear()


FOLDED = "optimization.constant_folding_max_output_size_in_bytes"


def test_a_session_folds_a_bounded_amount_and_shares_one_arena(
    arena: list[object], machine: Path, monkeypatch: pytest.MonkeyPatch
):
    for nodes, largest, folded in (
        (0, 0, 2**30),
        (1, 5, 2**30),
        (4, 5, 2**28),
        (2**20, 5000, 10000),
        (3, 2**30, 2**31),
    ):
        assert session_entries(ModelCost(nodes, largest)) == {
            FOLDED: str(folded),
            "session.load_model_format": "ONNX",
            "session.use_env_allocators": "1",
        }
    [(place, configured)] = arena  # type: ignore[misc]
    assert place.name == "Cpu"
    assert configured.max_mem == 32768


def test_without_a_limit_a_session_has_an_arena_of_its_own(arena: list[object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "memory_limit", lambda: None)
    assert session_entries(ModelCost(1, 0)) == {FOLDED: str(2**30), "session.load_model_format": "ONNX"}
    assert arena == []


MEMORY = "The model needs more memory for this batch than the limit allows."


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (MemoryError("x"), InputError, MEMORY),
        (RuntimeError("std::bad_alloc"), InputError, MEMORY),
        (RuntimeError("Available  memory\nof 1 is smaller"), InputError, MEMORY),
        (RuntimeError("Failed to allocate memory for 7"), InputError, MEMORY),
        (RuntimeError("indices element out of data bounds, idx=9"), InputError, "The model has no entry for one of"),
        (RuntimeError("[E] Status Message: bad\n shape"), ArtifactError, "The model could not be run: bad shape"),
        (RuntimeError(f"{'x' * 300}end"), ArtifactError, f"The model could not be run: {'x' * 197}end"),
        (RuntimeError(""), ArtifactError, "The model could not be run: RuntimeError"),
    ],
)
def test_an_error_says_whether_the_input_or_the_file_is_wrong(cause: Exception, kind: type[TlzooError], message: str):
    error = run_error(cause)
    assert type(error) is kind
    assert error.message.startswith(message)
    assert len(error.message) == len(message) or message.endswith("one of")
    assert error.hint
