"""The public names of `tlzoo`: sorted, complete, and what they say they are."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import tlzoo


@pytest.mark.parametrize("name", tlzoo.__all__)
def test_every_name_is_what_it_is_called(name: str):
    value = getattr(tlzoo, name)
    if name == "__version__":
        assert value[0].isdigit()
    elif name == "registry":
        assert isinstance(value, ModuleType)
    else:
        assert callable(value)
        assert getattr(value, "__name__", name) == name
        assert getattr(value, "__doc__", None)


def test_every_name_is_the_same_thing_when_it_is_asked_for_last():
    code = "import tlzoo; print(*(type(getattr(tlzoo, name)).__name__ for name in reversed(tlzoo.__all__)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [type(getattr(tlzoo, name)).__name__ for name in reversed(tlzoo.__all__)]


def test_a_name_that_is_none_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'fine_tune'"):
        tlzoo.fine_tune  # noqa: B018


def test_the_registry_is_reached_as_the_readme_says():
    assert all(checkpoint.plugin == "vision" for checkpoint in tlzoo.registry.find(task="image-classification"))
