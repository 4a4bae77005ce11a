"""What somebody who means harm, or a broken program, would hand to tlzoo."""

from __future__ import annotations

import re
from typing import Any

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST_OUTPUT = 20_000


def check_outcome(done: Any, *named: str, codes: tuple[int, ...] = (0, 2)) -> None:
    """A command ended as it may: one error of one line that names something of `named`, or an answer."""
    about = f"{done.code}\n{done.out[-2000:]}\n{done.err[-2000:]}"
    assert done.code in codes, about
    for text in (done.out, done.err):
        assert _COMMANDS.search(text) is None, about
        assert len(text) < LONGEST_OUTPUT, f"{len(text)} characters: {about}"
    assert "Traceback" not in done.err, about
    assert "Bug:" not in done.err, about
    errors = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == (done.code != 0), about
    if errors and named:
        assert any(name in errors[0] for name in named), about
        assert done.err.splitlines()[-1] == errors[0], about
