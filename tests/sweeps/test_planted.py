"""Each sweep can fail: a defect is planted in every process of it, and a trial notices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

HERE = Path(__file__).parent
SECONDS = 600
DEFECTS: dict[str, tuple[str, str]] = {
    "kills": (
        "test_kills.py -k prediction",
        """
        import contextlib
        import tlzoo.io.locks as locks

        @contextlib.contextmanager
        def output_lock(out, error):
            place = out.with_name(f".{out.name}.held")
            if place.exists():
                raise error("It is held.")
            place.touch()
            yield
            place.unlink()

        locks.output_lock = output_lock
        """,
    ),
    "signals": (
        "test_signals.py -k training",
        """
        import tlzoo.io.stops as stops
        stops.say_stopped = lambda code: 0
        """,
    ),
    "bits": (
        "test_bits.py -k pictures",
        """
        import tlzoo.artifact.seal as seal
        seal.SealCheck.broken = lambda self: False
        """,
    ),
    "disks": (
        "test_disks.py -k lock",
        """
        import contextlib
        import tlzoo.io.disk as disk
        disk.write_errors = lambda *given, **options: contextlib.nullcontext()
        """,
    ),
    "races": (
        "test_races.py -k finetune",
        """
        import contextlib
        import tlzoo.io.locks as locks
        locks.output_lock = lambda *given: contextlib.nullcontext()
        """,
    ),
    "archives": (
        "test_archives.py",
        """
        import tlzoo.io.archives as archives
        archives.BROKEN_ARCHIVE = (KeyError,)
        """,
    ),
    "registries": (
        "test_registries.py",
        """
        import tlzoo.io.network.addresses as addresses
        addresses.is_public = addresses.is_trusted = lambda address: True
        """,
    ),
    "canaries": (
        "test_canaries.py -k pickle",
        """
        import torch
        load = torch.load
        torch.load = lambda *given, **options: load(*given, **{**options, "weights_only": False})
        """,
    ),
    "inputs": (
        "test_inputs.py",
        """
        import tlzoo.cli as cli
        cli._fail = lambda code, message: code
        """,
    ),
    "plugins": (
        "test_plugins.py",
        """
        import tlzoo.plugins.process_state as process_state
        process_state.put_back_settings = lambda *given: {}
        """,
    ),
}
"""For each sweep: which of its trials are run, until one fails, and what every process of them imports first."""


@pytest.mark.release
@pytest.mark.parametrize("line", DEFECTS)
def test_a_sweep_notices_a_defect(line: str, tmp_path: Path):
    (file, *chosen), code = DEFECTS[line][0].split(), DEFECTS[line][1]
    (tmp_path / "sitecustomize.py").write_text(dedent(code), encoding="utf-8")
    options = ("addopts=--import-mode=importlib", "required_plugins=", f"cache_dir={tmp_path}")
    settings = [part for option in options for part in ("-o", option)]
    command = [sys.executable, "-m", "pytest", "-q", "--exitfirst", "-p", "no:xdist", "--full", *settings]
    not_of_this_worker = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, str(HERE / file), *chosen],
        env={**not_of_this_worker, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert "1 failed" in done.stdout, done.stdout[-3000:]
