"""A user without a home folder, as in containers: what needs no cache works, what does names the variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def homeless(zoo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HOME, no entry for the user, no folder named for the cache or the configuration."""

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "TLZOO_CACHE", "TLZOO_CONFIG", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("arguments", [("models",), ("cache", "list"), ("registry", "list"), ("plugins", "list")])
def test_what_needs_no_cache_works(homeless: None, command: Callable[..., Any], arguments: tuple[str, ...]):
    assert command(*arguments).code == 0


def test_a_file_predicts(text_file: Any, homeless: None, command: Callable[..., Any]):
    done = command("predict", text_file.file, "a lovely day")
    assert (done.code, done.out.splitlines()[1].split("\t")[0]) == (0, "a lovely day")


@pytest.mark.parametrize("verb", ["pull", "finetune"])
def test_what_needs_the_cache_names_the_variable(
    homeless: None, texts: Path, tmp_path: Path, command: Callable[..., Any], verb: str
):
    done = command(verb, "nlp/test-bert", *(() if verb == "pull" else (texts, "--out", tmp_path / "run")))
    assert (done.code, "TLZOO_CACHE" in done.err.splitlines()[-1]) == (2, True), done.err
