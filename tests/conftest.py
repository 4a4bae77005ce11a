"""A small zoo: three checkpoints of random weights in a registry of its own, small separable data, trained runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import textwrap
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shared_fixtures.needs import missing
from shared_fixtures.once import Once

COLOURS = {"blue": (40, 60, 220), "green": (30, 200, 60), "red": (220, 40, 30)}
WORDS = {
    "bad": "awful boring broken dull grim poor sad slow ugly worst".split(),
    "good": "best bright clever fine fresh great happy lovely quick warm".split(),
}
FILLERS = "a and book film it of phone room service story that the this very was".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 4),
    "conv_kernel": (10, 3, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
}
RATE = 16_000


@pytest.fixture(autouse=True)
def no_signs_of_life() -> Iterator[None]:
    """A slow machine must not add lines about silent work to what a test reads; those that are about it set theirs.

    It does not take `monkeypatch`: what a test patches within `zoo` has to be undone before `zoo` is.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tlzoo.progress.EVERY_S", 3600.0)
        yield


@pytest.fixture(autouse=True)
def no_probe_beside(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs are not compared with a probe, which is a pass over their data more, but in tests marked `beside_probe`."""
    strategy = sys.modules.get("tlzoo.training.strategies.finetune")
    with pytest.MonkeyPatch.context() as patch:
        if strategy is not None and request.node.get_closest_marker("beside_probe") is None:
            patch.setattr(strategy, "beside_probe", lambda job: None)
        yield


@dataclass(frozen=True)
class Zoo:
    """The folder that holds everything, and the environment that makes tlzoo use it and nothing else."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a test, or a process that it starts, sets."""
        return {
            "TLZOO_CACHE": str(self.folder / "cache"),
            "TLZOO_CONFIG": str(self.folder / "config"),
            "TLZOO_REGISTRY": str(self.folder / "registry.json"),
            "TLZOO_OFFLINE": "1",
        }

    @contextmanager
    def open(self) -> Iterator[None]:
        """Set that environment for a while."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield


@pytest.fixture(scope="session")
def shared_zoo(once: Once) -> Zoo:
    """The zoo, once per test run; tests take `zoo`, which also sets the environment."""
    return once.make("zoo", _zoo)


def _zoo(folder: Path) -> Zoo:
    entries = [
        _resnet(folder / "weights" / "resnet"),
        _vit(folder / "weights" / "vit"),
        _bert(folder / "weights" / "bert"),
        _wav2vec2(folder / "weights" / "wav2vec2"),
    ]
    (folder / "registry.json").write_text(json.dumps({"schema_version": 1, "checkpoints": entries}))
    return Zoo(folder)


@pytest.fixture
def zoo(shared_zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """The zoo, with the environment set so that tlzoo uses it; what a test patches within is undone before that is."""
    for name, value in shared_zoo.environment.items():
        monkeypatch.setenv(name, value)
    return shared_zoo


def _entry(id: str, architecture: str, folder: Path, task: str, feature_dim: int, **fields: Any) -> dict[str, Any]:
    files = [
        {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
        for path in sorted(folder.iterdir())
    ]
    return {
        "id": id,
        "architecture": architecture,
        "source": {"kind": "file", "files": files},
        "license": "Apache-2.0",
        "tasks": [task],
        "parameters": 1000,
        "feature_dim": feature_dim,
        **fields,
    }


def _timm(folder: Path, architecture: str, **config: Any) -> int:
    """Save random weights of timm's `architecture`, BatchNorm statistics moved off their start; its feature width."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model(architecture, **config)
    with torch.no_grad():
        network.train()(torch.rand(16, 3, 64, 64))
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    return int(network.num_features)


def _resnet(folder: Path) -> dict[str, Any]:
    dim = _timm(folder, "test_resnet")
    return _entry("vision/test-resnet", "test_resnet", folder, "image-classification", dim, preprocess=PICTURES)


def _vit(folder: Path) -> dict[str, Any]:
    dim = _timm(folder, "test_vit", img_size=64)
    task, config = "image-classification", {"img_size": 64}
    return _entry("vision/test-vit", "test_vit", folder, task, dim, preprocess=PICTURES, config=config)


PICTURES = {"kind": "image", "size": [64, 64], "crop": 0.9, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}


def _bert(folder: Path) -> dict[str, Any]:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *sorted({*FILLERS, *WORDS["bad"], *WORDS["good"]})])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(vocabulary), **BERT)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    preprocess = {"kind": "text", "max_length": 32}
    return _entry("nlp/test-bert", "bert", folder, "text-classification", 32, preprocess=preprocess)


def _wav2vec2(folder: Path) -> dict[str, Any]:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**WAV2VEC2)).save_pretrained(folder)
    preprocess = {"kind": "audio", "sample_rate": RATE, "seconds": 0.25}
    return _entry("speech/test-wav2vec2", "wav2vec2", folder, "audio-classification", 32, preprocess=preprocess)


@pytest.fixture(scope="session")
def uv() -> str:
    """Where uv is."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        missing("uv")
    return found


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code and what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout of a command that succeeded."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


@pytest.fixture
def command(zoo: Zoo, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Outcome]]:
    """Runs `tlzoo` with these arguments in this process."""
    from tlzoo.cli import main
    from tlzoo.io.stops import NUMBERS
    from tlzoo.plugins.attribution import CALLED_PLUGINS
    from tlzoo.plugins.containment import REPORTED_CHANGES
    from tlzoo.progress import set_quiet

    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:  # as a shell's background jobs ignore Ctrl-C
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    def run(*arguments: object) -> Outcome:
        CALLED_PLUGINS.clear()
        REPORTED_CHANGES.clear()
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capfd.readouterr())

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
    set_quiet(False)


@pytest.fixture(scope="session", autouse=True)
def without_waiting_for_disks() -> Iterator[None]:
    """What is written is gone after the tests: nobody waits for the disk, but where that is what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def make_pictures() -> Callable[..., Path]:
    """Writes a folder per class of noisy pictures, each class of one colour: `make_pictures(folder, each)`."""
    return _pictures


def _pictures(folder: Path, each: int = 12, labels: tuple[str, ...] = tuple(COLOURS), seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(each):
            height, width = random.integers(50, 90, 2)
            pixels = random.normal(128, 30, (height, width, 3))
            top, left = random.integers(0, 25, 2)
            pixels[top : top + 30, left : left + 30] = random.normal(COLOURS[label], 20, (30, 30, 3))[: height - top]
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / label / f"{number:03}.png")
    return folder


@pytest.fixture(scope="session")
def make_texts() -> Callable[..., Path]:
    """Writes a CSV of `text` and `label`, kind and unkind words among fillers: `make_texts(file, each)`."""
    return _texts


def _texts(file: Path, each: int = 40, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    rows = ["text,label"]
    for label, words in WORDS.items():
        for _ in range(each):
            count = int(random.integers(1, 8))
            chosen = [*random.choice(words, count), *random.choice(FILLERS, int(random.integers(1, 2 + count)))]
            random.shuffle(chosen)
            rows.append(f"{' '.join(chosen)},{label}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="session")
def make_tagged() -> Callable[..., Path]:
    """Writes JSON lines of `text` and `entities`, kind and unkind words among fillers: `make_tagged(file, count)`."""
    return _tagged


def _tagged(file: Path, count: int = 80, seed: int = 0, longest: int = 9) -> Path:
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        text, entities = "", []
        for _ in range(int(random.integers(1, longest))):
            label = random.choice(["", "", "good", "bad"])
            word = str(random.choice(WORDS[label] if label else FILLERS))
            begin = len(text) + bool(text)
            text = f"{text} {word}" if text else word
            if label:
                entities.append({"start": begin, "end": len(text), "label": str(label)})
        rows.append(json.dumps({"text": text, "entities": entities}))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="session")
def make_recordings() -> Callable[..., Path]:
    """Writes a folder per class of WAV files, tones and noise: `make_recordings(folder, each)`."""
    return _recordings


def _recordings(folder: Path, each: int = 15, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    for label in ("noise", "tone"):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            time = np.arange(int(random.uniform(0.2, 0.4) * RATE)) / RATE
            tone = np.sin(2 * np.pi * random.uniform(200, 600) * time)
            sound = 0.5 * tone if label == "tone" else 0.3 * random.standard_normal(len(time))
            with wave.open(str(folder / label / f"{number:03}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return folder


@pytest.fixture(scope="session")
def pictures(once: Once) -> Path:
    """Pictures of three classes; not to be changed."""
    return once.make("pictures", lambda folder: _pictures(folder / "pictures"))


@pytest.fixture(scope="session")
def texts(once: Once) -> Path:
    """Texts of two classes; not to be changed."""
    return once.make("texts", lambda folder: _texts(folder / "texts.csv"))


@pytest.fixture(scope="session")
def tagged(once: Once) -> Path:
    """Texts with entities of two labels; not to be changed."""
    return once.make("tagged", lambda folder: _tagged(folder / "tagged.jsonl"))


@pytest.fixture(scope="session")
def recordings(once: Once) -> Path:
    """Recordings of two classes; not to be changed."""
    return once.make("recordings", lambda folder: _recordings(folder / "recordings"))


TOY = """
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo import Backbone, Graph, Head, Stage, hookimpl
from tlzoo_toy_means import Means, means


@hookimpl
def load_backbone(checkpoint, weights, output):
    return means(checkpoint, output)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Installs the plugin `toy`, a linear map of colours, with the hooks given as code; returns its checkpoint's id."""
    from tlzoo import plugins

    def install(hooks: str = "") -> str:
        site = tmp_path / "site"
        info = site / "tlzoo_toy-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "tlzoo_toy.py").write_text(TOY + textwrap.dedent(hooks))
        shutil.copy(Path(__file__).parent / "shared_fixtures" / "duo" / "means.py", site / "tlzoo_toy_means.py")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlzoo-toy\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[tlzoo]\ntoy = tlzoo_toy\n")
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "none").write_text("none")
        preprocess = {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]}
        entry = _entry("toy/means", "m", tmp_path / "weights", "image-classification", 12, preprocess=preprocess)
        (tmp_path / "registry.json").write_text(json.dumps({"schema_version": 1, "checkpoints": [entry]}))
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "registry.json"))
        monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "config"))
        return "toy/means"

    plugins.import_plugin.cache_clear()
    yield install
    plugins.import_plugin.cache_clear()
    for name in ("tlzoo_toy", "tlzoo_toy_means"):
        sys.modules.pop(name, None)


@dataclass(frozen=True)
class Trained:
    """Trains and exports on the zoo, each once."""

    once: Once
    zoo: Zoo

    def run(self, name: str, checkpoint: str, data: Path, task: str | None = None) -> Any:
        from tlzoo import finetune

        def train(folder: Path) -> Any:
            with self.zoo.open():
                return finetune(checkpoint, data, out=folder / "run", task=task)

        return self.once.make(f"run of {name}", train)

    def file(self, name: str, run: Any, **options: Any) -> Any:
        def export(folder: Path) -> Any:
            with self.zoo.open():
                return run.export(folder / f"{name}.onnx", **options)

        return self.once.make(f"export of {name}", export)


@pytest.fixture(scope="session")
def trained(once: Once, shared_zoo: Zoo) -> Trained:
    """Trains and exports on the zoo, once per test run."""
    return Trained(once, shared_zoo)


@pytest.fixture(scope="session")
def picture_run(trained: Trained, pictures: Path) -> Any:
    """A probe on pictures; not to be changed."""
    return trained.run("pictures", "vision/test-resnet", pictures)


@pytest.fixture(scope="session")
def text_run(trained: Trained, texts: Path) -> Any:
    """A probe on texts; not to be changed."""
    return trained.run("texts", "nlp/test-bert", texts)


@pytest.fixture(scope="session")
def tagged_run(trained: Trained, tagged: Path) -> Any:
    """A probe of entities; not to be changed."""
    return trained.run("tagged", "nlp/test-bert", tagged, "tokens")


@pytest.fixture(scope="session")
def recording_run(trained: Trained, recordings: Path) -> Any:
    """A probe on recordings; not to be changed."""
    return trained.run("recordings", "speech/test-wav2vec2", recordings)


@pytest.fixture(scope="session")
def picture_file(trained: Trained, picture_run: Any) -> Any:
    """The export of `picture_run`; not to be changed."""
    return trained.file("pictures", picture_run)


@pytest.fixture(scope="session")
def text_file(trained: Trained, text_run: Any) -> Any:
    """The export of `text_run`; not to be changed."""
    return trained.file("texts", text_run)


@pytest.fixture(scope="session")
def tagged_file(trained: Trained, tagged_run: Any) -> Any:
    """The export of `tagged_run`; not to be changed."""
    return trained.file("tagged", tagged_run)


@pytest.fixture(scope="session")
def recording_file(trained: Trained, recording_run: Any) -> Any:
    """The export of `recording_run`; not to be changed."""
    return trained.file("recordings", recording_run)
