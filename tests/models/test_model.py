"""What a plugin's `build_head` returns is the head, or refused; without it the task's own is."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from tlzoo import plugins
from tlzoo.errors import HookError
from tlzoo.interfaces import Head
from tlzoo.models.model import _hook_head


def loss(outputs: Any, batch: Any) -> Any:
    return outputs["logits"].sum()


@pytest.mark.parametrize("found", [Head(nn.Linear(4, 2), loss), None])
def test_the_hooks_head_is_taken_as_it_is(found: Head | None, monkeypatch: pytest.MonkeyPatch):
    asked: dict[str, Any] = {}

    def call(hook: str, plugin: str, *_: Any, **given: Any) -> Head | None:
        asked.update(given, hook=hook, plugin=plugin)
        return found

    monkeypatch.setattr(plugins, "call", call)
    assert _hook_head("mine", task="a task", options={"head": "b"}) is found
    assert (asked["hook"], asked["plugin"]) == ("build_head", "mine")
    assert (asked["task"], asked["options"]) == ("a task", {"head": "b"})


def test_a_head_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch):
    wrong: Any = Head("no module", loss)  # type: ignore[arg-type]
    monkeypatch.setattr(plugins, "call", lambda *_, **__: wrong)
    with pytest.raises(HookError, match="Hook 'build_head' of"):
        _hook_head("mine")
