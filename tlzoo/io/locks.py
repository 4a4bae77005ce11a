"""File locks: one process at a time, and none that outlives its process."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tlzoo.errors import TlzooError
from tlzoo.io.disk import write_errors

_WAIT_S = 0.5
"""How long a lock that is being let go may take to be free."""


@contextmanager
def file_lock(path: Path, timeout: float = 0.0) -> Iterator[bool | None]:
    """Yield whether this process alone holds the file lock for the block, waiting up to `timeout` seconds for it.

    `None` where it cannot be said: the folder is read-only, or its file system has no locks. Forever: `timeout=-1`.
    """
    from filelock import FileLock, Timeout

    with ExitStack() as stack:
        alone: bool | None = True
        try:
            stack.enter_context(FileLock(path, timeout=timeout, fallback_to_soft=False))
        except Timeout:
            alone = False
        except OSError:
            alone = None
        yield alone


@contextmanager
def output_lock(out: Path, error: type[TlzooError]) -> Iterator[None]:
    """Hold the one file lock of an output while it is written: `.NAME.lock` beside it, which goes when the block ends.

    Raises `error`, saying who writes, where another living process holds it. Nothing happens where there are no locks.
    """
    with write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    place = out.absolute().with_name(f".{out.name}.lock")
    with file_lock(place, _WAIT_S) as alone:
        if alone is False:
            raise error(
                f"{out} is being written by {_holder(place)}.",
                hint="Wait until it ends, or choose another `out`.",
                parameter="out",
            )
        if alone:
            _sign(place)
        try:
            yield
        finally:
            if alone:
                with suppress(OSError):  # while it is held, so that nobody else's is removed
                    place.unlink()


def _sign(place: Path) -> None:
    """Write into a lock file who holds it; where that is not possible, others are told less."""
    since = datetime.now().astimezone().isoformat("T", "seconds")
    about = {"pid": os.getpid(), "host": platform.node(), "since": since}
    with suppress(OSError), place.open("r+", encoding="utf-8") as file:
        file.truncate()
        file.write(json.dumps(about))


def _holder(place: Path) -> str:
    """Who holds a lock, in words."""
    try:
        about: Any = json.loads(place.read_text("utf-8"))
        since = datetime.fromisoformat(about["since"]).astimezone().isoformat(" ", "seconds")
        here = f" on {about['host']}" if about["host"] else ""
        return f"process {int(about['pid'])}{here} since {since}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
