"""Cores are counted by affinity and by the quotas of control groups, of both versions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tlzoo.io import cores
from tlzoo.io.cores import available_cores, cpu_quota, is_limited


def groups(tmp_path: Path, own: str, **files: str) -> tuple[Path, Path]:
    for name, text in files.items():
        file = tmp_path / "cgroup" / name.replace("__", "/").replace("cpu_", "cpu.")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "own").write_text(own)
    return tmp_path / "cgroup", tmp_path / "own"


OLD = "4:cpu,cpuacct:/x\n"


def old_group(folder: str, quota: int) -> dict[str, str]:
    return {f"{folder}__cpu_cfs_quota_us": f"{quota}\n", f"{folder}__cpu_cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu_max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu_max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000\n", "a__cpu_max": "200000 100000\n"}, 2.0),
        ("0::/a/b\n", {"a__b__cpu_max": "50000 100000\n", "a__cpu_max": "200000 100000\n"}, 0.5),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu,cpuacct__cpu_cfs_quota_us": "300000\n", "cpu,cpuacct__cpu_cfs_period_us": "100000\n"},
            3.0,
        ),
        (OLD, old_group("cpu__x", -1), None),
        (OLD, old_group("cpu__x", 40_000), 0.4),
        ("9:memory:/x\n", {"x__cpu_max": "10000 100000\n"}, None),
        ("", {}, None),
        ("no groups at all", {"cpu_max": "rubbish"}, None),
    ],
)
def test_the_least_quota_of_the_groups_above_counts(
    tmp_path: Path, own: str, files: dict[str, str], quota: float | None
):
    assert cpu_quota(*groups(tmp_path, own, **files)) == quota


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu_max": "0 100000\n"}, None),
        ("0::/\n", {"cpu_max": "100000 0\n"}, None),
        ("0::/\n", {"cpu_max": "-1 -1\n"}, None),
        ("0::/\n", {"cpu_max": "100000\n"}, None),
        ("0::/../a\n", {"a__cpu_max": "50000 100000\n"}, 0.5),
        ("4:cpuset:/x\n", old_group("cpuset__x", 10_000), None),
        ("4:cpuacct,cpu:/x\n", old_group("cpu__x", 10_000), 0.1),
        ("4:cpu,cpuacct:/x\n", old_group("cpu,cpuacct__x", 10_000), 0.1),
        ("0::/a/b/c\n", {"a__b__c__cpu_max": "50000 100000\n"}, 0.5),
    ],
)
def test_a_quota_is_of_the_processs_own_groups_and_more_than_nothing(
    tmp_path: Path, own: str, files: dict[str, str], quota: float | None
):
    assert cpu_quota(*groups(tmp_path, own, **files)) == quota


@pytest.mark.parametrize(
    ("tied", "machine", "quota", "found"),
    [
        (4, 8, None, 4),
        (4, 8, 2.0, 2),
        (4, 8, 2.1, 3),
        (4, 8, 9.0, 4),
        (4, 8, 0.2, 1),
        (8, 8, None, 8),
        (1, None, None, 1),
    ],
)
def test_cores_are_those_of_the_affinity_but_no_more_than_the_quota_rounded_up(
    tied: int, machine: int | None, quota: float | None, found: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(tied)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: machine)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    available_cores.cache_clear()
    try:
        assert available_cores() == found
        assert is_limited() is (found < (machine or 1))
        monkeypatch.delattr(os, "sched_getaffinity")
        available_cores.cache_clear()
        assert quota is not None or available_cores() == (machine or 1)
    finally:
        available_cores.cache_clear()


@pytest.mark.needs("affinity")
def test_a_process_tied_to_one_core_starts_one_thread_everywhere():
    program = """
import os
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
import torch
from threadpoolctl import threadpool_info
from tlzoo.io.cores import available_cores
from tlzoo.models.threads import limit_threads
import numpy
limit_threads()
print(available_cores(), torch.get_num_threads(), max(each["num_threads"] for each in threadpool_info()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["1", "1", "1"]
