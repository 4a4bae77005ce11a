"""What a registry, a plugin or a file says of itself cannot command the terminal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tlzoo.cli.shared.output import print_json, print_line, print_table
from tlzoo.progress import printable, say

HOSTILE = "a\x1b[2Jb\x9b1mc\u202ed"


def test_characters_that_command_a_terminal_are_escaped():
    assert printable(HOSTILE) == r"a\x1b[2Jb\x9b1mc\u202ed"
    assert printable("één 好 \u200d\t\n") == "één 好 \u200d\t\n"


def test_a_line_of_cells_stays_one_line_of_as_many_cells(capsys: pytest.CaptureFixture[str]):
    print_line([HOSTILE, "two\nlines\tand a tab", None])
    assert capsys.readouterr().out == "a\\x1b[2Jb\\x9b1mc\\u202ed\ttwo lines and a tab\t\n"


def test_a_note_on_stderr_is_one_line_that_commands_nothing(capsys: pytest.CaptureFixture[str]):
    say(f"{HOSTILE}\nof a file\tnamed so")
    assert capsys.readouterr().err == r"a\x1b[2Jb\x9b1mc\u202ed\nof a file\tnamed so" + "\n"


def test_a_cell_is_no_markup_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("id",), [("[red]not red[/red]",), ("[link=https://example.com]here",)])
    assert "[red]not red[/red]" in capsys.readouterr().out


def test_json_is_written_where_stdout_is_not_utf8(monkeypatch: pytest.MonkeyPatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_json({"paper": "één 好 \U0001f600"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue()) == {"paper": "één 好 \U0001f600"}


def test_what_others_write_to_the_descriptor_of_stdout_is_no_part_of_the_json():
    program = """
import os
from tlzoo.cli.shared.output import print_json, reserved_stdout
with reserved_stdout():
    os.write(1, b"written raw\\n")
    os.system("echo written by a child")
    print("printed")
    print_json({"answer": "één"})
print("after")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=60)
    document, _, rest = done.stdout.rpartition("}\n")
    assert json.loads(document + "}") == {"answer": "één"}
    assert rest == "after\n"
    assert sorted(done.stderr.splitlines()) == ["printed", "written by a child", "written raw"]


def test_what_compiled_code_writes_to_the_descriptor_is_no_part_of_the_answer():
    program = """
import os
from tlzoo.cli.shared.output import separate_stdout
with separate_stdout():
    print("answer")
    os.write(1, b"compiled")
print("after")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "answer\nafter\n", "compiled")


def test_a_reader_that_went_away_ends_the_json_as_it_ends_other_output():
    command = f"{sys.executable} -m tlzoo models --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("0", "141")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_error_does_not_repeat_a_value_of_megabytes(command: Callable[..., Any]):
    done = command("models", "show", "vision/" + "a" * 10**6)
    assert (done.code, done.err.count("\n"), len(done.err) < 4000) == (2, 1, True)
    assert done.err.startswith("Error: Unknown checkpoint 'vision/aaa")
