"""What a plugin's code does to the process is undone and named: prints, settings, generators, handlers, silence."""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import re
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tlzoo.errors import HookError
from tlzoo.plugins import containment
from tlzoo.plugins.containment import contain, guard_workflow, watch
from tlzoo.plugins.process_state import SETTINGS, read_settings
from tlzoo.progress import working

CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's grad mode": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "torch's autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "torch's detection of anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "torch's use of oneDNN and cuDNN": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "torch's precision of float32 products": lambda: torch.set_float32_matmul_precision("medium"),
    "numpy's handling of errors": lambda: np.seterr(all="raise"),
    "the handlers of SIGINT, SIGTERM and SIGHUP": lambda: signal.signal(signal.SIGTERM, lambda *_: None),
    "the filters of warnings": lambda: warnings.simplefilter("error"),
    "the working directory": lambda: os.chdir("/"),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8"),
    "the recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 7),
    "the garbage collector": gc.disable,
    "the umask": lambda: os.umask(0),
    "the time limit of sockets": lambda: socket.setdefaulttimeout(0.001),
    "sys.excepthook": lambda: setattr(sys, "excepthook", print),
    "sys.stdout": lambda: setattr(sys, "stdout", None),
    "sys.stderr": lambda: setattr(sys, "stderr", open(os.devnull, "w")),  # noqa: SIM115
    "whether sys.stdout and sys.stderr are open": lambda: sys.stderr.close(),
    "the handlers of the root logger": lambda: logging.root.addHandler(logging.NullHandler()),
    "the environment of tlzoo": lambda: os.environ.update(TLZOO_OFFLINE="perhaps"),
}


@pytest.fixture(autouse=True)
def a_guest() -> Iterator[None]:
    """Nothing was reported yet, and of a plugin that anyone may publish hooks were called."""
    containment.REPORTED_CHANGES.clear()
    containment.CALLED_PLUGINS.clear()
    containment.CALLED_PLUGINS.add("odd")
    yield
    containment.CALLED_PLUGINS.discard("odd")
    containment.REPORTED_CHANGES.clear()


@contextmanager
def own_stderr() -> Iterator[None]:
    """What closes stderr does not close that of the tests."""
    kept, sys.stderr = sys.stderr, open(os.dup(2), "w")  # noqa: SIM115 - the test closes it
    try:
        yield
    finally:
        sys.stderr = kept


@pytest.mark.parametrize("plugins", [(), ("vision",), ("vision", "nlp")])
def test_what_tlzoos_own_plugins_import_accuses_nobody(plugins: tuple[str, ...], recwarn: pytest.WarningsRecorder):
    before = read_settings()
    with containment.watch("Hook 'x'", *plugins):
        CHANGES["the recursion limit"]()
    assert read_settings() == before
    assert not recwarn.list


def test_every_setting_is_tested():
    assert list(CHANGES) == [each.title for each in SETTINGS]


@pytest.mark.parametrize("title", CHANGES)
def test_what_a_plugin_changes_of_the_process_is_put_back_and_named(title: str):
    named = f"Hook 'x' of plugin 'odd' changes {title}.* it is put back"
    with own_stderr():
        before = read_settings()
        with pytest.warns(RuntimeWarning, match=named), contain("Hook 'x'", "odd"):
            CHANGES[title]()
        assert read_settings() | {"sys.stderr": None} == before | {"sys.stderr": None}
        assert not sys.stderr.closed


@pytest.mark.parametrize("title", CHANGES)
def test_what_code_between_changes_is_put_back_when_the_workflow_ends(title: str):
    with own_stderr(), warnings.catch_warnings(record=True) as said:
        before = read_settings()
        with guard_workflow():
            CHANGES[title]()
        assert read_settings()[title] == before[title]
        assert not sys.stderr.closed
    assert title in str(said[-1].message)


def test_what_the_core_sets_for_the_process_stays_and_not_what_others_did():
    before = torch.get_num_threads()
    with warnings.catch_warnings(record=True) as said, guard_workflow():
        torch.set_num_threads(before + 2)
        with containment.keep_setting("torch's number of threads"):
            torch.set_num_threads(torch.get_num_threads() + 1)
    assert torch.get_num_threads() == before + 1
    assert "Something of plugin 'odd' changes torch's number of threads" in str(said[0].message)
    torch.set_num_threads(before)


def test_a_change_by_code_that_is_not_watched_is_put_back_before_a_plugin_runs_next():
    with warnings.catch_warnings(record=True) as said, guard_workflow():
        torch.set_default_dtype(torch.float64)
        with watch("The forward pass", "odd"):
            assert torch.get_default_dtype() == torch.float32
    assert "torch's default dtype" in str(said[0].message)


def test_it_is_put_back_where_the_plugin_fails_and_said_once_each():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            with contain("Hook 'x'", "odd"):
                torch.set_default_dtype(torch.float64)
    assert len([one for one in said if "default dtype" in str(one.message)]) == 1
    with pytest.raises(HookError), contain("Hook 'x'", "odd"):
        fails()
    assert torch.get_default_dtype() == torch.float32


def fails() -> None:
    torch.set_default_dtype(torch.float64)
    raise RuntimeError


def test_filters_that_a_library_adds_for_its_own_warnings_stay():
    with warnings.catch_warnings():
        with watch("Hook 'x'", "odd"):
            warnings.filterwarnings("ignore", message="of a library")
        assert warnings.filters[0][0] == "ignore"
        assert not containment.REPORTED_CHANGES


def test_code_that_may_not_draw_leaves_the_generators(capsys: pytest.CaptureFixture[str]):
    def drawn() -> tuple[Any, ...]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = drawn()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    with watch("Hook 'export'", "odd", draws=False):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
    assert drawn() == expected


def test_prints_go_to_stderr_however_deep(capsys: pytest.CaptureFixture[str]):
    with guard_workflow(), watch("The forward pass", "odd"):
        with contain("Hook 'x'", "odd"):
            print("inner")
        print("outer")
    print("document")
    assert capsys.readouterr() == ("document\n", "inner\nouter\n")


@pytest.mark.parametrize("code", [0, 1, None])
def test_a_plugin_that_ends_the_program_is_an_error(code: int | None):
    with pytest.raises(HookError, match="Hook 'x' of plugin 'odd' failed: SystemExit"), contain("Hook 'x'", "odd"):
        sys.exit(code)


def test_long_silence_is_named_and_so_is_stopping_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("tlzoo.progress.EVERY_S", 0.02)
    monkeypatch.setattr("tlzoo.progress.PATIENCE_S", 0.05)
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), working("Training"), contain("Hook 'x'", "odd"):  # noqa: PT012
        time.sleep(0.3)
        raise KeyboardInterrupt
    said = capsys.readouterr().err.splitlines()
    assert "Hook 'x' of plugin 'odd' takes long: 0 s so far. Ctrl-C stops it; in training, twice." in said
    assert "Stopped in: Hook 'x' of plugin 'odd', after 0 s." in said


@pytest.mark.parametrize(
    ("plugins", "named"), [(("nlp",), False), (("nlp", "vision"), False), (("nlp", "odd"), True), ((), True)]
)
def test_the_work_around_stands_for_tlzoos_own_plugins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], plugins: tuple[str, ...], named: bool
):
    monkeypatch.setattr("tlzoo.progress.EVERY_S", 0.02)
    monkeypatch.setattr("tlzoo.progress.PATIENCE_S", 0.05)
    with working("Building the network"), watch("Hook 'x'", *plugins):
        time.sleep(0.3)
    said = capsys.readouterr().err.splitlines()
    assert "Building the network: 0 s" in said
    assert any("takes long" in line for line in said) == named
    with watch("Hook 'x'", *plugins, alone=True):
        time.sleep(0.3)
    assert "takes long" in capsys.readouterr().err


def test_in_patience_the_work_around_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("tlzoo.progress.EVERY_S", 0.02)
    with working("Training"), watch("The forward pass", "odd"):
        time.sleep(0.2)
    assert set(capsys.readouterr().err.splitlines()) == {"Training: 0 s"}


def test_another_thread_changes_nothing_of_the_first(tmp_path: Path):
    started, ended = threading.Event(), threading.Event()

    def prepare() -> None:
        with contain("The preprocessing", "odd"):
            started.set()
            assert ended.wait(5)

    thread = threading.Thread(target=prepare)
    thread.start()
    assert started.wait(5)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    ended.set()
    thread.join()
    assert torch.get_num_threads() == before + 1
    torch.set_num_threads(before)


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("title", ["torch's default dtype", "the working directory", "the environment of tlzoo"])
def test_preprocessing_in_another_thread_of_a_workflow_is_put_back_and_named(title: str):
    before, after = read_settings(), dict[str, Any]()

    def prepare() -> None:
        with contain("The preprocessing", "odd"):
            CHANGES[title]()
        after.update(read_settings((title,)))

    with warnings.catch_warnings(record=True) as said, guard_workflow():
        in_a_thread(prepare)
        assert after[title] == before[title]
    assert read_settings() == before
    [one] = said
    assert re.match(f"The preprocessing of plugin 'odd' changes {title}( from|,)", str(one.message))


def test_of_two_plugins_that_run_at_once_both_are_named():
    began, changed = threading.Event(), threading.Event()

    def prepare() -> None:
        with contain("The preprocessing", "even"):
            began.set()
            assert changed.wait(5)

    thread = threading.Thread(target=prepare)
    with warnings.catch_warnings(record=True) as said, guard_workflow(), watch("The forward pass", "odd"):
        thread.start()
        assert began.wait(5)
        torch.set_default_dtype(torch.float64)
    changed.set()
    thread.join()
    assert torch.get_default_dtype() == torch.float32
    both = "The forward pass of plugin 'odd' or The preprocessing of plugin 'even' changes torch's default dtype"
    assert str(said[0].message).startswith(both)


@pytest.mark.parametrize("beside", [containment.beside_plugins, lambda: contain("The preprocessing", "even")])
def test_nobody_is_blamed_for_filters_that_another_thread_changes_for_a_while(
    beside: Callable[[], Any], recwarn: pytest.WarningsRecorder
):
    began, ended = threading.Event(), threading.Event()

    def suppress() -> None:
        with beside(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began.set()
            assert ended.wait(5)

    thread = threading.Thread(target=suppress)
    before = read_settings()
    with guard_workflow():
        with watch("The forward pass", "odd"):
            thread.start()
            assert began.wait(5)
        ended.set()
        thread.join()
    assert read_settings() == before
    assert not containment.REPORTED_CHANGES
    assert not recwarn.list
