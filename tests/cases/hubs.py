"""Repositories of a hub, and the web page, that other tools were reported to handle wrongly."""

from __future__ import annotations

import json
import re
import shutil
import sys

import numpy as np
from making import FILL, SMALL, hub, last, table, texts, tlzoo, trained
from register import OUT, case, each, no_script, refused


@case(
    "H-01",
    "no answer depends on the texts beside it, or the export is refused",
    lambda got: each(got, lambda part: "; 0 of" in part or refused(part)),
)
def batch_mates(run: bool) -> str:
    """ConvBERT's convolution and YOSO's attention see padding. Where all held-out texts are cut to one length the proof,
    and `tlzoo verify`, never see any."""
    draw, found = np.random.default_rng(0), []
    rows = [(text + " " + " ".join(draw.choice(FILL, 30)), label) for text, label in texts(40, 1)]
    data = table(OUT / "H-01.csv", rows)
    for kind, config in (("convbert", {"embedding_size": 16, "head_ratio": 2, "conv_kernel_size": 5}), ("yoso", {})):
        id, _ = hub(kind, kind, **SMALL, **config)
        if not run:
            continue
        said, file = trained(data, id, f"H-01-{kind}", "--max-length", "24")
        if file is None:
            found.append(f"{kind}: {said}")
            continue
        from tlzoo import load

        predictor, short = load(file), [text for text, _ in texts(100, 7)]
        pairs = [(predictor.predict([t])[0], predictor.predict([t, rows[0][0]])[0]) for t in short]
        flips = sum(alone.label != beside.label for alone, beside in pairs)
        moved = max(abs(alone.scores["good"] - beside.scores["good"]) for alone, beside in pairs)
        found.append(
            f"{kind}: export proven; {flips} of {len(short)} labels flip beside a long text, by up to {moved:.2f}"
        )
    return " | ".join(found)


@case(
    "H-02",
    "refused when it is loaded, or one answer that is an error",
    lambda got: "Bug" not in got and ("100 of 100 answers" in got or got.startswith("finetune -> 2")),
)
def a_token_beyond_the_table(run: bool) -> str:
    id, folder = hub("beyond", "bert", **SMALL)
    document = json.loads((folder / "tokenizer.json").read_text())
    number = 1 + max([*document["model"]["vocab"].values(), *(t["id"] for t in document["added_tokens"])])
    added = {"id": number, "content": "[SKU]", "special": False, "normalized": False}
    document["added_tokens"].append({**added, "single_word": False, "lstrip": False, "rstrip": False})
    (folder / "tokenizer.json").write_text(json.dumps(document))
    many = table(
        OUT / "H-02.csv", [("plain text",)] * 3 + [("about [SKU] 12",)] + [("more text",)] * 96, header=("text",)
    )
    with_it = table(
        OUT / "H-02-train.csv", [(text + " [SKU]" * (i == 7), label) for i, (text, label) in enumerate(texts())]
    )
    if not run:
        return ""
    said, file = trained(table(OUT / "T-05-train.csv", texts()), id, "H-02")
    if file is None:
        return said
    answers = OUT / "runs" / "H-02.jsonl"
    for path in (answers, answers.with_name("H-02.jsonl.part")):
        path.unlink(missing_ok=True)
    code, _, err = tlzoo("predict", file, many, "--out", answers)
    part = answers.with_name("H-02.jsonl.part")
    done = len(part.read_text().splitlines()) if part.exists() else len(answers.read_text().splitlines())
    return f"{said[-14:]}; predict -> {code}, {done} of 100 answers: {last(err)[:120]} | training on it: {trained(with_it, id, 'H-02-train')[0][:140]}"


@case(
    "H-03",
    "they train, or are refused with a reason",
    lambda got: each(got, lambda part: "export proven" in part or refused(part)),
)
def without_an_end(run: bool) -> str:
    found = []
    mobile = {"embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16}
    for kind, config in (("mobilebert", mobile), ("roc_bert", {})):
        id, _ = hub(kind, kind, **SMALL, **config)
        found.append(f"{kind}: {trained(table(OUT / 'T-05-train.csv', texts()), id, kind)[0]}" if run else "")
    return " | ".join(found)


@case(
    "H-04",
    "the ids that sentence-transformers and transformers give: lower case where the repository says so",
    lambda got: all(one == other for one, other in re.findall(r"tlzoo (\[.*?\]), right (\[.*?\])", got)),
)
def lower_case(run: bool) -> str:
    found = []
    made = {
        "sentence_bert_config.json": ({"max_seq_length": 128, "do_lower_case": True}, False),
        "tokenizer_config.json": ({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}, False),
        "tokenizer_config.json, false": ({"do_lower_case": False, "tokenizer_class": "BertTokenizer"}, True),
    }
    for name, (document, lower) in made.items():
        id, folder = hub(f"case-{len(found)}", "bert", lower, **SMALL)
        path = folder / name.partition(",")[0]
        path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **document}))
        if not run:
            found.append("")
            continue
        _, file = trained(table(OUT / "T-05-train.csv", texts()), id, f"H-04-{len(found)}")
        from transformers import AutoTokenizer

        from tlzoo import load

        text = "A LOVELY Hotel"
        right = AutoTokenizer.from_pretrained(folder)(text.lower() if name.startswith("sentence") else text)[
            "input_ids"
        ]
        found.append(f"{name} {document}: tlzoo {load(file).prepare([text])['input_ids'][0].tolist()}, right {right}")
    return " | ".join(found)


NODE = """
import fs from 'node:fs';
import { makePreprocessor } from './preprocess-text.js';
const manifest = JSON.parse(fs.readFileSync('manifest.json', 'utf8'));
const make = makePreprocessor(manifest);
const ids = [];
for (const text of JSON.parse(fs.readFileSync('texts.json', 'utf8'))) ids.push([...(await make(text)).input_ids.data].map(Number));
fs.writeFileSync('ids.json', JSON.stringify(ids));
"""


@case(
    "W-01",
    "equal token ids, as docs/web.md says, or the export is refused",
    lambda got: got.startswith("skipped") or each(got, lambda part: part.endswith("differ on []") or refused(part)),
)
def charsmap(run: bool) -> str:
    """A SentencePiece model that folds case by its precompiled charsmap (nmt_nfkc_cf), and one that does not (nmt_nfkc).

    Needs npm, node and: uv run --with sentencepiece --with protobuf python …
    """
    try:
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2
    except ImportError:
        return "skipped: run with `uv run --with sentencepiece --with protobuf`"
    import subprocess

    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    folder, found = OUT / "W-01", []
    folder.mkdir(exist_ok=True)
    corpus = [text for text, _ in texts(200, 5)] + [
        "Saya suka makanan ini, enak sekali!",
        "ALL CAPS TEXT",
        "Café déjà vu",
    ] * 3
    (folder / "corpus.txt").write_text("\n".join(corpus))
    given = [
        "a lovely hotel",
        "ALL CAPS text",
        "Saya suka makanan",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "I am",
    ]
    _, file = trained(table(OUT / "T-05-train.csv", texts()), "nlp/lab-bert", "W-01") if run else ("", None)
    for rule in ("nmt_nfkc_cf", "nmt_nfkc"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "corpus.txt"), model_prefix=str(folder / rule), vocab_size=300,
            normalization_rule_name=rule, hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString((folder / f"{rule}.model").read_bytes())
        made = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=proto.trainer_spec.unk_id))
        blanks = normalizers.Replace(Regex(" {2,}"), " ")
        made.normalizer = normalizers.Sequence(
            [normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), blanks]
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.save(str(folder / f"{rule}.json"))
        if file is None:
            continue
        from tlzoo import load
        from tlzoo.exporting.formats import web

        manifest, site = load(file).manifest, folder / f"site-{rule}"
        shutil.rmtree(site, ignore_errors=True)
        site.mkdir()
        spec = manifest.preprocess.model_copy(update={"tokenizer": made.to_str()})
        web.write(site, file.read_bytes(), manifest.model_copy(update={"preprocess": spec}))
        (site / "package.json").write_text('{"type": "module"}')
        (site / "go.js").write_text(NODE)
        (site / "texts.json").write_text(json.dumps(given))
        subprocess.run(["node", "go.js"], cwd=site, check=True)
        page, own = json.loads((site / "ids.json").read_text()), [made.encode(text).ids for text in given]
        found.append(f"{rule}: differ on {[t for t, a, b in zip(given, page, own, strict=True) if a != b]}")
    return " | ".join(found)


if __name__ == "__main__":
    sys.exit(no_script("text_audio_inputs.py"))
