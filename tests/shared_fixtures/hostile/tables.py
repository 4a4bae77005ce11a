"""Texts and tables that are odd, broken or made to fill the memory; each a name and what writes it."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from shared_fixtures.hostile.media import Odd

GOOD = "".join(f"a great film {at},good\nan awful film {at},bad\n" for at in range(20))


def texts() -> Iterator[Odd]:
    """Odd texts in .txt files."""
    odd: dict[str, Callable[[], bytes]] = {
        "nothing": lambda: b"",
        "blanks": lambda: b" \t\r\n\x0b\x0c" * 999,
        "odd blanks": lambda: "\u200b\u2028\u3000\ufeff\u00ad".encode() * 99,
        "NUL": lambda: b"a\0b",
        "10 MB in a line": lambda: b"a fine film " * 900_000,
        "10 MB in a word": lambda: b"a" * 10**7,
        "10 MB of blanks": lambda: b" " * 10**7,
        "70 MB": lambda: b"a" * 70_000_000,
        "a million lines": lambda: b"a\n" * 10**6,
        "bidi": lambda: "\u202egood\u202c \u2066a\u2069".encode(),
        "commands": lambda: b"\x1b[2J\x1b]0;x\x07 good",
        "invalid UTF-8": lambda: b"good \xff\xfe\x80",
        "overlong UTF-8": lambda: b"good \xc0\xaf \xf8\x88\x80\x80\x80",
        "lone surrogates": lambda: "a\ud800b".encode("utf-8", "surrogatepass"),
        "UTF-16": lambda: "a good film".encode("utf-16"),
        "UTF-32": lambda: "a good film".encode("utf-32"),
        "only a mark": lambda: b"\xef\xbb\xbf",
        "marks": lambda: b"\xef\xbb\xbf" * 999 + b"good",
        "combining": lambda: "e\u0301".encode() * 10**5,
        "one letter, many marks": lambda: b"e" + "\u0301".encode() * 10**6,
        "emoji": lambda: "\U0001f469\u200d\U0001f469\u200d\U0001f467".encode() * 9999,
        "private use": lambda: "\U0010ffff\ue000".encode() * 999,
        "line ends of old": lambda: b"good\rbad\r\x85",
        "noise": lambda: random.Random(0).randbytes(10_000),
        "an executable": lambda: b"\x7fELF" + bytes(5000),
        "CJK": lambda: "\u6f22\u5b57".encode() * 10**5,
    }
    for label, make in odd.items():
        yield f"text of {label}", "x.txt", partial(_write, make)


def tables() -> Iterator[Odd]:
    """Odd tables of texts and labels."""
    for ending, separator in ((".csv", ","), (".tsv", "\t")):
        for label, text in _delimited(separator).items():
            yield f"{ending} {label}", f"x{ending}", partial(_write, text)
    for label, text in _json_lines().items():
        yield f".jsonl {label}", "x.jsonl", partial(_write, text)
    for label, text in _parquet().items():
        yield f".parquet {label}", "x.parquet", partial(_write, text)
    for name in ("x.CSV", "x.csv.gz", "x.xlsx", "x.json", "x.conll", "x.txt.csv", "x", ".csv"):
        yield f"table called {name}", name, partial(_write, lambda: b"text,label\n" + GOOD.encode())


def _write(make: Callable[[], bytes], path: Path) -> None:
    path.write_bytes(make())


def _delimited(separator: str) -> dict[str, Callable[[], bytes]]:
    good = GOOD.replace(",", separator)
    head = f"text{separator}label\n"
    texts: dict[str, Callable[[], str]] = {
        "ragged": lambda: head + good + f"a{separator}b{separator}c\nd\n" + separator * 999 + "\n",
        "without a header": lambda: good,
        "of a header": lambda: head,
        "of duplicate columns": lambda: f"text{separator}text{separator}label\na{separator}b{separator}good\n" * 9,
        "of a huge cell": lambda: head + f'"{"a " * 10**7}"{separator}good\n' + good,
        "of a cell without end": lambda: head + '"' + "a\n" * 10**6,
        "of a million columns": lambda: separator.join(f"c{at}" for at in range(10**6)) + "\n" + separator * 999_999,
        "of a million empty columns": lambda: separator * 10**6 + "\n",
        "of bad quotes": lambda: head + f'a"b"c{separator}good\n"a"x{separator}bad\n' + good,
        "of a quote": lambda: head + '"' + good,
        "of NUL": lambda: head + f"a\0b{separator}good\n" + good,
        "of NUL in the header": lambda: f"text\0{separator}label\n" + good,
        "of marks": lambda: "\ufeff\ufeff" + head + good,
        "of old line ends": lambda: (head + good).replace("\n", "\r"),
        "of blank lines": lambda: head + "\n" * 10**6 + good,
        "of blank cells": lambda: head + f"{separator}\n \t{separator} \n" * 20,
        "of bidi": lambda: head + f"\u202ea{separator}\u202egood\n" * 5 + good,
        "of commands": lambda: head + f"\x1b[2J{separator}\x1b]0;x\x07\n" * 5 + good,
        "of formulas": lambda: head + f"=cmd|' /C calc'!A0{separator}=1+1\n@SUM(1){separator}-1\n" * 5 + good,
        "of labels": lambda: head + "".join(f"a{at}{separator}l{at}\n" for at in range(20_000)),
        "of one label": lambda: head + f"a{separator}good\n" * 20,
        "of long labels": lambda: head + f"a{separator}{'l' * 10**5}\nb{separator}good\n" * 9,
        "of odd columns": lambda: f"\x1b[2J{separator}{'c' * 10**5}\n" + good,
        "of numbers": lambda: head + f"1{separator}{'9' * 5000}\n2{separator}nan\n3{separator}1e999\n" * 9,
        "of another separator": lambda: (head + good).replace(separator, ";"),
    }
    return {
        **{label: partial(_encoded, text) for label, text in texts.items()},
        "of UTF-16": lambda: (head + good).encode("utf-16"),
        "of invalid UTF-8": lambda: (head + good).encode() + b"\xff\n",
        "of noise": lambda: random.Random(0).randbytes(10_000),
        "of zeros": lambda: bytes(10**6),
    }


def _encoded(text: Callable[[], str]) -> bytes:
    return text().encode()


def _json_lines() -> dict[str, Callable[[], bytes]]:
    good = "".join(json.dumps({"text": line[:-1], "label": label}) + "\n" for line in GOOD.split() for label in "ab")
    bad = {
        "of nesting": '{"text": ' + "[" * 10**5 + "]" * 10**5 + ', "label": "a"}\n',
        "of arrays": '["text", "label"]\n' * 9,
        "of one array": f"[{','.join(good.splitlines())}]",
        "of constants": '{"text": "a", "label": NaN}\n{"text": Infinity, "label": "a"}\n' * 9,
        "of digits": '{"text": "a", "label": ' + "9" * 6000 + "}\n",
        "of surrogates": '{"text": "a\\ud800", "label": "b\\udfff"}\n' * 9,
        "of duplicate keys": '{"text": "a", "text": "b", "label": "c"}\n' * 9,
        "of other types": '{"text": 5, "label": null}\n{"text": [], "label": {}}\n{"text": true, "label": [[]]}\n' * 9,
        "of other columns": '{"label": "a"}\n{"text": "a"}\n{}\n' * 9,
        "of NUL": '{"text": "a\\u0000b", "label": "a\\u0000"}\n' * 9,
        "of commands": '{"text": "\\u001b[2J", "label": "\\u001b[2J\\u202e"}\n' * 9,
        "of a huge text": json.dumps({"text": "a " * 10**7, "label": "a"}) + "\n",
        "of a line of 70 MB": '{"text": "' + "a" * 70_000_000,
        "of many keys": json.dumps({f"k{at}": at for at in range(10**5)}) + "\n",
        "torn": good[:-20],
        "of nothing": "\n" * 99,
        "of entities": '{"text": "a b", "entities": [[5, 1, "x"], [-1, 99999999999999999999, ""], "x"]}\n' * 9,
    }
    return {label: partial(lambda text: (text + good).encode(), text) for label, text in bad.items()}


def _parquet() -> dict[str, Callable[[], bytes]]:
    whole = partial(_written, {"text": ["a", "b"] * 20, "label": ["good", "bad"] * 20})
    return {
        "empty": lambda: b"",
        "of ends": lambda: b"PAR1PAR1",
        "that lies": lambda: b"PAR1" + bytes(99) + b"\xff\xff\xff\x7fPAR1",
        "torn": lambda: whole()[:-9],
        "of noise": lambda: whole()[:50] + bytes(200) + whole()[250:],
        "of lists": partial(_written, {"text": [["a"], []] * 9, "label": ["x", "y"] * 9}),
        "of bytes": partial(_written, {"text": [b"\xff", b"a"] * 9, "label": [b"x", b"\xfe"] * 9}),
        "of numbers": partial(_written, {"text": [1.5, None] * 9, "label": [float("nan"), 1.0] * 9}),
        "of nothing": partial(_written, {"text": [], "label": []}),
        "of nulls": partial(_written, {"text": [None] * 9, "label": [None] * 9}),
        "of other columns": partial(_written, {"a\x1b[2J": [1], "b": [2]}),
        "of one long text": partial(_written, {"text": ["a " * 10**7, "b"], "label": ["x", "y"]}),
    }


def _written(columns: dict[str, list[object]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()
