"""The page's tokens are those of Python: compared in Node.js at every export, on odd texts and the tokenizer's own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tlzoo.errors import ExportError, InputError
from tlzoo.io.disk import write_text
from tlzoo.io.files import temporary_folder
from tlzoo.preprocess.text import TextPreprocessor
from tlzoo.progress import say
from tlzoo.specs import TextSpec

_TIMEOUT_S = 300
_PIECES = 200
"""Of the vocabulary, put into the texts."""
_DRIVER = """
import fs from "node:fs";
import { makePreprocessor } from "./preprocess-text.js";
const { preprocess, texts } = JSON.parse(fs.readFileSync("case.json"));
const prepare = makePreprocessor({ preprocess });
const found = [];
for (const text of texts) found.push(Array.from((await prepare(text)).input_ids.data, Number));
fs.writeFileSync("found.json", JSON.stringify(found));
"""
ODD = (
    "A LOVELY Hotel, don't you think?  We'll see: 12345 3.14 a_b-c #x @y 50%",
    "Café déjà vu, naïve Ångström, Zu\u0308rich e\u0301\u0301\u0323x \u0301start",
    "İstanbul ΑΣ ὈΔΥΣΣΕΎΣ ẞ ß ǅ ﬁrst ﷺ ½ ² ① Ⅷ ™ … “quoted” ‘s’ – —",
    "東京Ada東京 京都ホテル ｱﾆﾒ 한국어 한글 𠀀𠀁 Ａｄａ",
    "أحمد انتقل إلى القاهرة עברית न्वर्ध क्षत्रिय ทดสอบ ျမန္မာ می\u200cخواهم",
    "👨‍👩‍👧 Ada 👩🏽‍🚀 🇳🇴 ❤️ A😀in 𝒜𝓭𝓪 𝟙",
    "tab\tend\r\nline\u2028\u2029 \u00a0\u3000\u2009blanks\x85in\x1cto\ufeffx  two   three \u200bzero a\u00adb",
    "\0 \x01 \ufffd \u202eright\u202c <s> </s> <pad> <unk> [CLS] [SEP] [MASK] ##ada ada##",
    "  leading and trailing  ",
    "x" * 120 + " y",
    "",
    " \n ",
)


def check_tokens(site: Path, spec: TextSpec) -> None:
    """Raise ExportError where the page in the folder `site` makes other token ids of a text than Python.

    Without Node.js that is not compared, and said.
    """
    node = shutil.which("node")
    if node is None:
        say("Node.js is not installed: the page's tokens are not compared with Python's.")
        return
    spec = spec.model_copy(update={"known_tokens": None})
    prepare = TextPreprocessor(spec)
    expected: dict[str, list[int]] = {}
    for text in _texts(spec):
        with suppress(InputError):  # a word that the tokenizer cannot encode
            expected[text] = prepare([text])["input_ids"][0].tolist()
    for (text, right), found in zip(expected.items(), _in_node(node, site, spec, [*expected]), strict=True):
        if found != right:
            raise _refusal(f"it makes {found[:8]} of {text[:60]!r}, not {right[:8]}")


def _texts(spec: TextSpec) -> list[str]:
    """The odd texts, and pieces of the vocabulary: those added, and some of all the others, a few to a text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(spec.tokenizer)
    added = sorted(token.content for token in tokenizer.get_added_tokens_decoder().values())
    pieces = sorted(tokenizer.get_vocab(with_added_tokens=False))
    some = pieces[:: max(1, len(pieces) // _PIECES)]
    words = [piece.replace("▁", " ").replace("Ġ", " ").removeprefix("##") for piece in some]
    groups = [words[at : at + 5] for at in range(0, len(words), 5)]
    return [*ODD, *(f"a{token}b {token} c" for token in added[:_PIECES]), *map(" ".join, groups), *map("".join, groups)]


def _in_node(node: str, site: Path, spec: TextSpec, texts: Sequence[str]) -> list[list[int]]:
    """The ids that the page's own code makes of each text."""
    with temporary_folder() as folder:
        for script in site.glob("*.js"):
            shutil.copyfile(script, folder / script.name)
        shutil.copytree(site / "vendor", folder / "vendor", ignore=shutil.ignore_patterns("*.wasm"))
        write_text(folder / "package.json", '{"type": "module"}')
        write_text(folder / "driver.js", _DRIVER)
        write_text(folder / "case.json", json.dumps({"preprocess": spec.model_dump(), "texts": list(texts)}))
        try:
            done = subprocess.run(
                [node, "driver.js"], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
            if done.returncode == 0:
                found: list[list[int]] = json.loads((folder / "found.json").read_bytes())
                return found
        except (OSError, ValueError, subprocess.TimeoutExpired) as cause:
            raise _refusal(f"Node.js could not run it ({type(cause).__name__})") from cause
    errors = [line.strip() for line in done.stderr.splitlines() if "Error" in line] or ["it failed in Node.js"]
    raise _refusal(errors[0][:200])


def _refusal(reason: str) -> ExportError:
    return ExportError(
        f"A web page cannot run this tokenizer as Python does: {reason}.",
        hint="Export one file: `format='onnx'`.",
        parameter="format",
    )
