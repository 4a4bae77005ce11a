"""Tables of texts that other tools were reported to handle wrongly."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata

import numpy as np
from making import FILL, counts, last, lines, table, texts, tlzoo, trained
from register import OUT, case, each, no_script, refused


@case(
    "T-01",
    "three labels with names by position, or an error: these are 0 and 1, not names",
    lambda got: refused(got) or "labels ['0', '1', '2']" in got,
)
def multi_hot_lists(run: bool) -> str:
    draw = np.random.default_rng(0)
    data = lines(OUT / "T-01.jsonl", [{"text": t, "label": draw.integers(0, 2, 3).tolist()} for t, _ in texts()])
    return trained(data, "nlp/lab-bert", "T-01", "--task", "multilabel")[0] if run else ""


@case(
    "T-02",
    "the labels toxic, insult, spam, or an error",
    lambda got: each(got, lambda part: "labels ['insult', 'spam', 'toxic']" in part or refused(part)),
)
def lists_in_cells(run: bool) -> str:
    draw, names, found = np.random.default_rng(0), ["toxic", "insult", "spam"], []
    rows = [(text, [bool(x) for x in draw.integers(0, 2, 3)]) for text, _ in texts()]
    forms = {
        "hot": lambda v: str([int(x) for x in v]),
        "python": lambda v: str([n for n, x in zip(names, v, strict=True) if x]),
        "comma": lambda v: ",".join(n for n, x in zip(names, v, strict=True) if x),
        "pipe": lambda v: "|".join(n for n, x in zip(names, v, strict=True) if x),
    }
    for name, form in forms.items():
        data = table(OUT / "T-02" / f"{name}.csv", [(text, form(v)) for text, v in rows])
        if run:
            found.append(f"{name}: {trained(data, 'nlp/lab-bert', 'T-02', '--task', 'multilabel')[0]}")
    return " | ".join(found)


@case(
    "T-03",
    "60 rows, or an error that names the line",
    lambda got: got.startswith("60 training samples") or (refused(got) and "line" in got),
)
def stray_quotes(run: bool) -> str:
    rows = texts(30)
    rows[4] = ('"' + rows[4][0], rows[4][1])
    rows[15] = (rows[15][0] + '"', rows[15][1])
    path = OUT / "T-03.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return counts(path, "text") if run else ""


@case(
    "T-04",
    "two labels in each, or a line that some look the same",
    lambda got: each(
        got, lambda part: part.count("': ") == 2 or refused(part) or "alike" in part or "the same" in part
    ),
)
def labels_that_look_alike(run: bool) -> str:
    rows, found = texts(30), []
    nfd = {"good": "café", "bad": "thé"}
    forms = {
        "int, float, string": lambda i, label: [
            int(label == "good"),
            float(label == "good"),
            str(int(label == "good")),
        ][i % 3],
        "true and 'True'": lambda i, label: label == "good" if i % 2 else str(label == "good"),
        "NFC and NFD": lambda i, label: unicodedata.normalize("NFD" if i % 2 else "NFC", nfd[label]),
        "zero-width space": lambda i, label: label + "\u200b" * (i % 2),
    }
    for name, form in forms.items():
        data = [{"text": text, "label": form(i, label)} for i, (text, label) in enumerate(rows)]
        path = lines(OUT / "T-04" / f"{name.replace(' ', '-')}.jsonl", data)
        found.append(f"{name}: {counts(path, 'text')}" if run else "")
    return " | ".join(found)


BLOBS = {
    "blanks": " " * 4096, "line ends": "\n" * 4096, "zero-width spaces": "\u200b" * 4096,
    "accents": "e" + "\u0301" * 4096 + " ", "base64": "QUJD" * 1024 + " ",
}  # fmt: skip


@case(
    "T-05",
    "the token ids that the tokenizer itself gives, cut to max_length",
    lambda got: all(one == other for one, other in re.findall(r"tokenizer (\d+) ids, tlzoo (\d+)", got)),
)
def much_before_the_text(run: bool) -> str:
    data = table(OUT / "T-05.csv", [(blob + "an awful terrible room", "bad") for blob in BLOBS.values()])
    if not run:
        return ""
    from tokenizers import Tokenizer

    said, file = trained(table(OUT / "T-05-train.csv", texts()), "nlp/lab-bert", "T-05")
    if file is None:
        return said
    from tlzoo import load

    predictor = load(file)
    own = Tokenizer.from_str(predictor.manifest.preprocess.tokenizer)
    own.no_padding()
    own.enable_truncation(predictor.manifest.preprocess.max_length)
    found = []
    for name, blob in BLOBS.items():
        text = blob + "an awful terrible room"
        found.append(
            f"{name}: tokenizer {len(own.encode(text).ids)} ids, tlzoo {predictor.prepare([text])['input_ids'].shape[1]}"
        )
    return f"{data.name}: " + ", ".join(found)


@case(
    "T-06",
    "a line that texts stand on both sides of the split; accuracy near 0.5",
    lambda got: bool(re.search("twice|repeat|duplicat|copies|same text", got)),
)
def duplicates(run: bool) -> str:
    draw = np.random.default_rng(0)
    rows = [(f"ticket {i} about topic {i * 7}", "ab"[int(draw.integers(2))]) for i in range(60)]
    data = table(OUT / "T-06.csv", rows * 4)
    return trained(data, "nlp/lab-bert", "T-06")[0] if run else ""


@case("T-07", "a line that says how many texts are longer than max_length", lambda got: "longer than" in got)
def behind_the_cut(run: bool) -> str:
    draw = np.random.default_rng(0)
    data = table(OUT / "T-07.csv", [(" ".join(draw.choice(FILL, 200)) + " " + text, label) for text, label in texts()])
    return trained(data, "nlp/lab-bert", "T-07")[0] if run else ""


@case("T-08", "an error: there is no such file", lambda got: got.startswith("exit 2"))
def a_file_that_is_not_there(run: bool) -> str:
    if not run:
        return ""
    _, file = trained(table(OUT / "T-05-train.csv", texts()), "nlp/lab-bert", "T-08")
    code, out, _ = tlzoo("predict", file, OUT / "no-such-table.csv", OUT / "D-05")
    return f"exit {code}: {out.strip()!r}"


@case("T-09", "the same for all three: an error for that row", lambda got: each(got, lambda part: ": (" not in part))
def no_text_in_a_row(run: bool) -> str:
    rows = [("lovely room",), ("",), ("awful room",)]
    paths = [
        table(OUT / "T-09" / "empty.csv", [(text, "x") for (text,) in rows], header=("text", "other")),
        lines(OUT / "T-09" / "null.jsonl", [{"text": text or None} for (text,) in rows]),
        lines(OUT / "T-09" / "empty.jsonl", [{"text": text} for (text,) in rows]),
    ]
    if not run:
        return ""
    _, file = trained(table(OUT / "T-05-train.csv", texts()), "nlp/lab-bert", "T-09")
    found = []
    for path in paths:
        _code, out, _err = tlzoo("predict", file, path, "--jsonl")
        second = json.loads(out.splitlines()[1])
        found.append(f"{path.name}: {second.get('error') or (second['label'], round(second['score'], 3))}")
    return " | ".join(found)


@case(
    "T-10",
    "an error for the input, as for a .txt file or a table; no 'Bug:'",
    lambda got: "Bug" not in got and "UnicodeEncodeError" not in got,
)
def bytes_on_stdin(run: bool) -> str:
    path = OUT / "T-10.txt"
    path.write_bytes(b"lovely\ncaf\xe9 awful\ngood\n")
    if not run:
        return ""
    import subprocess

    _, file = trained(table(OUT / "T-05-train.csv", texts()), "nlp/lab-bert", "T-10")
    found = []
    for coding in ("utf-8:strict", "utf-8:surrogateescape"):
        done = subprocess.run(
            [sys.executable, "-m", "tlzoo", "predict", str(file), "-"],
            stdin=path.open("rb"), capture_output=True, env={**os.environ, "PYTHONIOENCODING": coding},
        )  # fmt: skip
        found.append(f"{coding}: exit {done.returncode} {last((done.stdout + done.stderr).decode('utf-8', 'replace'))}")
    done = subprocess.run(
        [sys.executable, "-m", "tlzoo", "predict", str(file), "great \U0001f600 room"],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    return " | ".join([*found, f"stdout cp1252: exit {done.returncode} {last(done.stderr.decode('utf-8', 'replace'))}"])


@case(
    "T-13",
    "250000 and 150500, or an error: with a dot for thousands every cell has three digits behind it",
    lambda got: refused(got) or "thousand" in got,
)
def thousands(run: bool) -> str:
    data = table(OUT / "T-13.csv", [(text, "250.000" if label == "good" else "150.500") for text, label in texts()])
    return trained(data, "nlp/lab-bert", "T-13", "--task", "regression")[0] if run else ""


if __name__ == "__main__":
    sys.exit(no_script("text_audio_inputs.py"))
