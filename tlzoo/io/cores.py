"""How many cores this process may use: by its affinity, and by the quota of its control group (containers)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


@cache
def available_cores() -> int:
    """The cores that threads may run on at once, 1 or more: by affinity, no more than the quota rounded up."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return there if quota is None else max(1, min(there, math.ceil(quota)))


def is_limited() -> bool:
    """Whether the process may use fewer cores than the machine has, which libraries count for themselves."""
    return available_cores() < (os.cpu_count() or 1)


def cpu_quota(groups: Path = CGROUPS, own: Path = OWN_GROUPS) -> float | None:
    """The least quota of this process's control groups and those above them, in cores; `None` where there is none.

    Version 2 has it in `cpu.max`, version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
    """
    found = []
    for folder in _folders(groups, own):
        if (quota := _quota_of(folder)) is not None:
            found.append(quota)
    return min(found, default=None)


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """The folders of the process's groups, those above included; in a container its own is the root."""
    yield from (groups, groups / "cpu", groups / "cpu,cpuacct")
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        tops = [groups / controllers, groups / "cpu"] if controllers else [groups]
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for top in tops:
            yield from (top.joinpath(*parts[:count]) for count in range(1, len(parts) + 1))


def _quota_of(folder: Path) -> float | None:
    limit = _text(folder / "cpu.max").split()
    if not limit:
        limit = [*_text(folder / "cpu.cfs_quota_us").split(), *_text(folder / "cpu.cfs_period_us").split()]
    try:
        quota, period = map(float, limit)
    except ValueError:  # `max` where there is no limit
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
