"""Spoken commands: real synthesis, no voice on both sides, the same files every time, nothing half done."""

from __future__ import annotations

import hashlib
import platform
import wave
from pathlib import Path

import pytest

from tlzoo.demo.commands import COMMANDS, TEST_VOICES, TRAIN_VOICES, prepare
from tlzoo.errors import DataError, UsageError

FEW = {"words": ("yes", "stop"), "train_voices": ("f2", "Andy"), "test_voices": ("f3",), "takes": 2}


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, and the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.wav"))
    }


def test_the_defaults_are_700_and_300_files_of_speech_by_voices_of_one_half_only(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "commands")
    found = {half: sorted((folder / half).rglob("*.wav")) for half in ("train", "test")}
    assert {half: len(paths) for half, paths in found.items()} == {"train": 700, "test": 300}
    assert {half: {path.parent.name for path in paths} for half, paths in found.items()} == {
        "train": set(COMMANDS),
        "test": set(COMMANDS),
    }
    voices = {half: {path.stem.rpartition("-")[0] for path in paths} for half, paths in found.items()}
    assert voices == {"train": set(TRAIN_VOICES), "test": set(TEST_VOICES)}
    assert not voices["train"] & voices["test"]
    for path in found["train"] + found["test"]:
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
            assert 0.1 < file.getnframes() / 22_050 < 1.0
            samples = memoryview(file.readframes(file.getnframes())).cast("h")
            assert max(samples) > 2_000, path
    assert len(set(contents(folder).values())) == 1_000


def test_the_same_bytes_are_spoken_again(tmp_path: Path) -> None:
    first, again = contents(prepare(tmp_path / "a", **FEW)), contents(prepare(tmp_path / "b", **FEW))
    assert len(first) == 12
    assert again == first


def test_a_complete_folder_is_kept_and_other_demo_data_replaced(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "commands", **FEW)
    kept = folder / "train" / "yes" / "f2-0.wav"
    before = kept.stat().st_mtime_ns
    prepare(folder, **FEW)
    assert kept.stat().st_mtime_ns == before
    prepare(folder, **{**FEW, "takes": 1})
    assert len(contents(folder)) == 6


def test_a_folder_of_other_contents_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").write_bytes(b"mine")
    with pytest.raises(DataError, match="other than demo data"):
        prepare(tmp_path, **FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.wav"]


def test_a_synthesiser_that_cannot_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlzoo.demo.commands._ACCENTS", ("gmw/no-such-language",))
    with pytest.raises(DataError, match="cannot say 'yes'"):
        prepare(tmp_path / "commands", **FEW)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_a_build_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(UsageError, match="riscv64"):
        prepare(tmp_path / "commands", **FEW)
    assert list(tmp_path.iterdir()) == []
