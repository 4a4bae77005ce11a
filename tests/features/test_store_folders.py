"""The activation store between processes and on bad disks: computed once, cleaned after a kill, bounded."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tlzoo.errors import TrainingError
from tlzoo.features.store import Activations, ActivationWriter, Layout, evict, load_or_compute
from tlzoo.features.store_folders import GB

WORDS = Layout("words", "float32", (None, 5))
linux = pytest.mark.needs("linux")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all entries, in a cache of its own."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "activations"


def put_all(writer: ActivationWriter) -> None:
    writer.put(range(writer.count), {"maps": np.ones((writer.count, 3, 4), np.float32)})


def never(writer: ActivationWriter) -> None:
    raise AssertionError("computed again")


def keep(
    key: str, count: int = 10, limit_gb: float = 1.0, compute: Callable[[ActivationWriter], None] = put_all
) -> Activations:
    return load_or_compute(key, [Layout("maps", "float32", (3, 4))], count, compute, limit_gb=limit_gb)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


SCRIPT = """
import os, sys, time
from pathlib import Path
import numpy as np
from tlzoo.features.store import Layout, load_or_compute

def compute(writer):
    with open(sys.argv[1], "a") as log:
        log.write("computed\\n")
    for i in range(10):
        writer.put([i], {"maps": np.full((1, 3, 4), i, np.float32)})
        time.sleep(float(sys.argv[2]))

kept = load_or_compute("a", [Layout("maps", "float32", (3, 4))], 10, compute, limit_gb=1)
sys.stdout.write(f"{kept.reused} {kept.rows('maps', np.arange(10))[0][:, 0, 0].tolist()}\\n")
sys.stdout.flush()
if len(sys.argv) > 3:
    sys.stdin.read()
    print(kept.batch(range(10))["maps"][:, 0, 0].tolist(), flush=True)
"""


def start(*arguments: object, script: str = SCRIPT) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_kill_while_computing_leaves_nothing_that_counts_and_is_cleaned_at_the_next_use(store: Path, tmp_path: Path):
    with start(tmp_path / "log", 1) as process:
        wait_for(lambda: any(store.glob(".a.*.part/0.bin")) and any(p.stat().st_size for p in store.glob(".*/0.bin")))
        keep("b")
        assert len(names(store)) == 2  # the living process keeps its folder
        process.kill()
        process.wait()
    keep("b", compute=never)
    assert names(store) == ["b"]
    assert not keep("a").reused


FORK = """
children = []
for _ in range(8):
    if (child := os.fork()) == 0:
        break
    children.append(child)
if child:
    for child in children:
        os.waitpid(child, 0)
    os._exit(0)

def compute"""


@pytest.mark.needs("fork")
def test_eight_processes_on_one_cold_key_compute_it_once(store: Path, tmp_path: Path):
    said, _ = start(tmp_path / "log", 0.05, script=SCRIPT.replace("def compute", FORK)).communicate()
    values = [float(i) for i in range(10)]
    assert (tmp_path / "log").read_text() == "computed\n"
    assert sorted(said.splitlines()) == [f"False {values}", *[f"True {values}"] * 7]


def test_a_process_waits_past_the_end_of_its_turn_for_one_that_still_computes(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tlzoo.weights.cache._DOWNLOAD_LOCK_S", 0.1)
    with start(tmp_path / "log", 0.15):
        wait_for(lambda: any(store.glob(".a.*.part")))
        assert keep("a", compute=never).reused


@pytest.mark.needs("posix")
def test_an_entry_in_use_elsewhere_keeps_working_after_its_eviction(store: Path, tmp_path: Path):
    with start(tmp_path / "log", 0, "stay") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert evict(0) > 480
        assert names(store) == []
        assert f"{[float(i) for i in range(10)]}\n" == process.communicate()[0]


LIMITED = """
import resource, signal, sys
import numpy as np
from tlzoo.features.store import Layout, load_or_compute
from tlzoo.errors import TrainingError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

def compute(writer):
    for i in range(100):
        writer.put([i], {"words": np.ones((1, 500, 5), np.float32)})

try:
    load_or_compute("b", [Layout("words", "float32", (None, 5))], 100, compute, limit_gb=1)
except TrainingError as error:
    print(error)
"""


@linux
def test_a_write_that_fails_midway_names_the_folder_and_the_way_out(store: Path):
    keep("a")
    said, _ = start(script=LIMITED).communicate()
    assert all(word in said for word in (str(store), "GB", "TLZOO_CACHE", "`cache_precision='fp16'`", "`cache=False`"))
    assert names(store) == ["a"]
    assert keep("a", compute=never).reused


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache on a disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("may not mount")
    monkeypatch.setenv("TLZOO_CACHE", str(disk / "cache"))
    yield disk / "cache" / "activations"
    subprocess.run(["umount", "-l", str(disk)], check=True)


@linux
def test_a_full_disk_is_an_error_with_the_way_out_and_earlier_entries_stay(small_disk: Path):
    keep("a")

    def compute(writer: ActivationWriter) -> None:
        for i in range(100):
            writer.put([i], {"words": np.ones((1, 1000, 5), np.float32)})

    with pytest.raises(TrainingError, match="No space left") as raised:
        load_or_compute("b", [WORDS], 100, compute, limit_gb=1)
    assert str(small_disk) in raised.value.message
    assert names(small_disk) == ["a"]
    assert keep("a", compute=never).reused


@linux
def test_a_disk_too_small_is_known_before_anything_is_computed(small_disk: Path):
    with pytest.raises(TrainingError, match="free"):
        keep("b", 100_000, compute=never)


def test_a_cache_that_cannot_be_written_is_an_error_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(TrainingError) as raised:
        keep("a", compute=never)
    assert "`cache=False`" in raised.value.hint
    assert str(tmp_path / "file") in raised.value.message


def test_the_least_recently_used_leave_first_and_the_new_entry_stays(store: Path):
    for key in ("a", "b", "c"):
        keep(key, 1000)
    keep("a", 1000, compute=never)
    keep("d", 1000, limit_gb=156_000 / GB)
    assert names(store) == ["a", "d"]
    assert keep("d", 1000, compute=never).reused


def test_the_new_entry_stays_even_where_others_are_used_after_it(store: Path):
    keep("a", 1000)
    os.utime(store / "a" / "used", (4e9, 4e9))
    keep("b", 1000, limit_gb=60_000 / GB)
    assert names(store) == ["b"]


def test_a_limit_that_was_lowered_holds_when_an_entry_is_reused(store: Path):
    keep("a", 1000)
    keep("b", 1000)
    assert keep("a", 1000, limit_gb=60_000 / GB, compute=never).reused
    assert names(store) == ["a"]


def test_prune_bounds_entries_and_graphs_and_says_how_much_it_freed(store: Path):
    keep("a")
    graphs = store.parent / "graphs"
    graphs.mkdir()
    for age, name in enumerate(["new", "old"]):
        (graphs / f"{name}.onnx").write_bytes(bytes(1000))
        os.utime(graphs / f"{name}.onnx", (1e9 - age, 1e9 - age))
    assert evict(1) == 0
    assert evict(1, graphs_gb=1500 / GB) == 1000
    assert names(graphs) == ["new.onnx"]
    size = sum(path.stat().st_size for path in (store / "a").iterdir())
    assert size == evict(0)
    assert names(store) == []


def test_what_other_machines_and_evictions_left_is_cleaned_when_it_is_old(store: Path):
    new, old = ".a.0badcafe.00000001.part", ".a.0badcafe.00000002.part"
    for name in (new, old, ".a.00000003.gone"):
        (store / name).mkdir(parents=True)
        (store / name / "used").touch()
    for path in (store / old / "used", store / old):
        os.utime(path, (1e9, 1e9))
    evict(1)
    assert names(store) == [new]
