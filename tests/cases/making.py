"""What the cases share: small networks and data, tlzoo run on them, and a hub on loopback."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from register import OUT, no_script

RATE = 16_000
GOOD = "lovely great happy excellent wonderful superb fantastic delightful brilliant charming".split()
BAD = "awful terrible horrible dreadful nasty boring broken ugly dull rotten".split()
FILL = "the film was a book and it room phone service story that very quite this hotel staff food".split()


def texts(each: int = 40, seed: int = 0) -> list[tuple[str, str]]:
    draw, rows = np.random.default_rng(seed), []
    for label, words in (("good", GOOD), ("bad", BAD)):
        for _ in range(each):
            chosen = [*draw.choice(words, 2), *draw.choice(FILL, int(draw.integers(2, 8)))]
            draw.shuffle(chosen)
            rows.append((" ".join(chosen), label))
    return rows


def table(path: Path, rows, header=("text", "label"), delimiter=",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def lines(path: Path, rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def tone(seconds: float, frequency: float = 400.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def chirp(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.4 * np.sin(2 * np.pi * (200 * t + 1400 * t * t / seconds))).astype(np.float32)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.3 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))).astype(np.float32)


def sound(path: Path, samples: np.ndarray, **options) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, **options)
    return path


def heard(given, seconds: float) -> str:
    """How much sound tlzoo takes from an input."""
    from tlzoo.preprocess.audio import AudioPreprocessor
    from tlzoo.specs import AudioSpec

    try:
        samples = AudioPreprocessor(AudioSpec(sample_rate=RATE, seconds=seconds))([given])["audio"][0]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    last = int(np.max(np.nonzero(samples)[0])) + 1 if samples.any() else 0
    return f"hears {last / RATE:.2f} s, largest sample {np.abs(samples).max():.4g}, no error"


def counts(path: Path, modality: str, kind: str = "classification", **options) -> str:
    """What tlzoo reads as training data, and what it says meanwhile."""
    from tlzoo.data import announce, read
    from tlzoo.io.inputs.report import ReadReport
    from tlzoo.tasks import make_task

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            report = ReadReport()
            found = read(path, make_task(f"{modality}-{kind}"), report=report, **options)
            announce(report, path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    targets = found.train.targets or ()
    by_label = {label: targets.count(label) for label in sorted(set(targets))}
    test = None if found.test is None else len(found.test)
    return f"{len(found.train)} training samples {by_label}, test {test}; said: {said.getvalue()[-300:].strip()}"


def tlzoo(*arguments) -> tuple[object, str, str]:
    from tlzoo.cli import main
    from tlzoo.progress import set_quiet

    set_quiet(False)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = "crash"
            traceback.print_exc(file=err)
    return code, out.getvalue(), err.getvalue()


def last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:260]


def trained(data: Path, checkpoint: str, name: str, *options) -> tuple[str, Path | None]:
    """finetune and export; what was said, and the file."""
    run, file = OUT / "runs" / name, OUT / "runs" / f"{name}.onnx"
    shutil.rmtree(run, ignore_errors=True)
    file.unlink(missing_ok=True)
    code, out, err = tlzoo("finetune", checkpoint, data, "--out", run, *options)
    if code != 0:
        return f"finetune -> {code}: {last(err)}", None
    metrics = (out.strip().splitlines() or [""])[0].split(": ", 1)[-1]
    labels = json.loads((run / "run.json").read_text()).get("labels") or []
    said = f"{metrics}; labels {labels[:8]}; said: {' / '.join(err.strip().splitlines())[-400:]}"
    code, out, err = tlzoo("export", run, "--out", file)
    if code != 0:
        return f"{said}; export -> {code}: {last(err)}", None
    return f"{said}; export proven", file


def wordpiece(lower: bool = True):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lower)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    corpus = [text for text, _ in texts(200, 5)] + ["Saya suka makanan ini", "A LOVELY Hotel", "numbers 0123456789"]
    made.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special))
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.decoder = decoders.WordPiece()
    return made


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}
WAVES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
    "conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 3, 3), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}


def network(folder: Path, kind: str, lower: bool = True, **config) -> Path:
    """A tiny random network of transformers, for texts with a tokenizer beside it."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    if "conv_dim" not in config:
        made = wordpiece(lower)
        made.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 128, "pad_token": "[PAD]"}))
        config = {**config, "vocab_size": made.get_vocab_size(), "max_position_embeddings": 140}
    else:
        (folder / "preprocessor_config.json").write_text(
            json.dumps({"sampling_rate": RATE, "do_normalize": True, "return_attention_mask": True})
        )
    torch.manual_seed(1)
    model = AutoModel.from_config(AutoConfig.for_model(kind, **config))
    if "conv_dim" not in config:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, 0.5)
    model.save_pretrained(folder)
    return folder


def entry(id: str, architecture: str, folder: Path, task: str, dim: int, preprocess: dict) -> dict:
    files = [
        {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
        for path in sorted(folder.iterdir())
    ]
    return {
        "id": id, "architecture": architecture, "source": {"kind": "file", "files": files}, "license": "Apache-2.0",
        "tasks": [task], "parameters": 1000, "feature_dim": dim, "preprocess": preprocess,
    }  # fmt: skip


def zoo(*more: dict) -> None:
    """A registry with nlp/lab-bert (64 tokens) and speech/lab-wav2vec2 (1 s)."""
    bert = network(OUT / "zoo" / "bert", "bert", **SMALL)
    waves = network(OUT / "zoo" / "waves", "wav2vec2", **WAVES)
    audio = {"kind": "audio", "sample_rate": RATE, "seconds": 1.0}
    entries = [
        entry("nlp/lab-bert", "bert", bert, "text-classification", 32, {"kind": "text", "max_length": 64}),
        entry("speech/lab-wav2vec2", "wav2vec2", waves, "audio-classification", 32, audio),
    ]
    (OUT / "zoo" / "registry.json").write_text(json.dumps({"schema_version": 1, "checkpoints": [*entries, *more]}))


def vision_network(folder: Path) -> Path:
    """A tiny random network of timm."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    net = timm.create_model("test_resnet")
    with torch.no_grad():
        net.train()(torch.rand(16, 3, 64, 64))
    save_file(net.state_dict(), folder / "model.safetensors")
    return folder


class Hub(BaseHTTPRequestHandler):
    """Serves OUT/hub/<org>/<name>/… as a hub does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        large = (".safetensors", ".bin")
        if parts[:2] == ["api", "models"]:
            folder = OUT / "hub" / "/".join(parts[2:4])
            siblings = []
            for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
                content = path.read_bytes()
                one = {"rfilename": path.name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
                if path.suffix in large:
                    digest = hashlib.sha256(content).hexdigest()
                    one["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
                siblings.append(one)
            document = {"id": folder.name, "sha": "a" * 40, "siblings": siblings, "tags": [], "private": False}
            return self._send(200 if siblings else 404, {}, json.dumps(document).encode())
        path = OUT / "hub" / "/".join(parts[:2]) / "/".join(parts[4:])
        if not path.is_file():
            return self._send(404, {"X-Error-Code": "EntryNotFound"}, b"")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": "a" * 40}
        if path.suffix in large:
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{digest}"'}
        return self._send(200, headers, content)

    do_HEAD = do_GET

    def _send(self, status: int, headers: dict, body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def hub(name: str, kind: str, lower: bool = True, **config) -> tuple[str, Path]:
    """A repository on the loopback hub: its id and folder. Its name holds OUT's, as tlzoo remembers a commit."""
    folder = network(OUT / "hub" / "lab" / name, kind, lower, **config)
    return f"hf/lab/{name}", folder


def open_zoo(*more: dict) -> None:
    """Write the registry, serve the hub, and let tlzoo use these and nothing else."""
    (OUT / "hub").mkdir(exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {
        "TLZOO_CACHE": str(OUT / "cache"),
        "TLZOO_CONFIG": str(OUT / "config"),
        "TLZOO_LOCK": str(OUT / "tlzoo.lock"),
        "TLZOO_REGISTRY": str(OUT / "zoo" / "registry.json"),
        "TLZOO_TRUSTED_HOSTS": "127.0.0.1",
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HOME": str(OUT / "hf"),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    zoo(*more)


if __name__ == "__main__":
    sys.exit(no_script())
