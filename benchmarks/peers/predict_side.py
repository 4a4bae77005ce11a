"""One way from an input to its label, on one job of benchmarks/predict.py, a turn at a time; one JSON line per turn.

    python predict_side.py JOB.json tlzoo|raw|timm|pipeline|pipeline-whole THREADS

A line with a number of calls comes in; what goes out is the seconds of each and the labels found. The inputs are taken
in turn, one per call. `raw` is what is written by hand around `InferenceSession.run`: the same decoding, the same
pixels, tokens or samples.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

Answer = Callable[[str], str]


def tlzoo_side(job: dict[str, Any]) -> Answer:
    """The predictor, as its documentation shows it."""
    import tlzoo

    predictor = tlzoo.load(job["file"], threads=job["threads"])
    return lambda given: predictor.predict(given)[0].label


def raw_side(job: dict[str, Any]) -> Answer:
    """A session with its defaults, and decoding by hand."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    session = onnxruntime.InferenceSession(job["file"], options, providers=["CPUExecutionProvider"])
    prepare = {"vision": _pixels, "nlp": _tokens, "speech": _samples}[job["modality"]](job["preprocess"])
    labels = job["labels"]
    return lambda given: labels[int(np.argmax(session.run(["logits"], prepare(given))[0]))]


def _pixels(spec: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    import numpy as np
    from PIL import Image

    (height, width), kind = spec["size"], Image.Resampling[spec["interpolation"].upper()]
    assert height == width
    side = int(width / spec["crop"])

    def prepare(path: str) -> dict[str, Any]:
        picture = Image.open(path).convert("RGB")
        short = min(picture.size)
        picture = picture.resize((side * picture.width // short, side * picture.height // short), kind)
        left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)
        return {"image": np.asarray(picture.crop((left, top, left + width, top + height)))[None]}

    return prepare


def _tokens(spec: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(spec["tokenizer"])
    tokenizer.no_padding()
    tokenizer.enable_truncation(spec["max_length"])

    def prepare(text: str) -> dict[str, Any]:
        found = tokenizer.encode(text)
        return {
            "input_ids": np.array([found.ids], np.int64),
            "attention_mask": np.array([found.attention_mask], np.int64),
        }

    return prepare


def _decoded(path: str, spec: dict[str, Any]) -> Any:
    """Mono samples [T] at the model's rate, no longer than its window."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    samples = soxr.resample(samples.mean(axis=1), rate, spec["sample_rate"])
    return samples[: round(spec["seconds"] * spec["sample_rate"])]


def _samples(spec: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    import numpy as np

    window = round(spec["seconds"] * spec["sample_rate"])

    def prepare(path: str) -> dict[str, Any]:
        audio = np.zeros((1, window), np.float32)
        samples = _decoded(path, spec)
        audio[0, : len(samples)] = samples
        return {"audio": audio}

    return prepare


def timm_side(job: dict[str, Any]) -> Answer:
    """timm's model and its evaluation transform, eager, as its documentation shows it."""
    import timm
    import torch
    from PIL import Image

    model = _run(job).model()
    eager = timm.create_model(job["architecture"], num_classes=len(job["labels"])).eval()
    state = model.backbone.net.state_dict()
    state |= {f"{eager.default_cfg['classifier']}.{name}": value for name, value in model.head.state_dict().items()}
    eager.load_state_dict(state)
    spec = job["preprocess"]
    transform = timm.data.create_transform(
        input_size=(3, *spec["size"]),
        crop_pct=spec["crop"],
        interpolation=spec["interpolation"],
        mean=spec["mean"],
        std=spec["std"],
    )

    @torch.inference_mode()
    def answer(path: str) -> str:
        logits = eager(transform(Image.open(path).convert("RGB")).unsqueeze(0))
        return job["labels"][int(logits.softmax(dim=1).argmax())]

    return answer


def pipeline_side(job: dict[str, Any], whole: bool = False) -> Answer:
    """transformers' pipeline; `whole` leaves Whisper the window of 30 s it is published with."""
    labels = job["labels"]
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: at for at, label in enumerate(labels)}}
    if job["modality"] == "nlp":
        return _text_pipeline(job, named)
    return _audio_pipeline(job, named, whole)


def _text_pipeline(job: dict[str, Any], named: dict[str, Any]) -> Answer:
    import torch
    from transformers import BertForSequenceClassification, PreTrainedTokenizerFast, pipeline
    from transformers.modeling_outputs import SequenceClassifierOutput

    class Sentence(BertForSequenceClassification):
        """BERT with the mean over its tokens before the classifier, where transformers has its pooler."""

        def forward(self, input_ids: Any, attention_mask: Any, **_: Any) -> SequenceClassifierOutput:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return SequenceClassifierOutput(logits=self.classifier((hidden * mask).sum(dim=1) / mask.sum(dim=1)))

    model, spec = _run(job).model(), job["preprocess"]
    config = model.backbone.network.config
    config.update(named)
    config.num_labels = len(job["labels"])
    eager = Sentence(config).eval()
    eager.bert.pooler = None
    eager.bert.load_state_dict(model.backbone.network.state_dict())
    eager.classifier.load_state_dict(model.head.state_dict())
    path = Path(job["folder"]) / "tokenizer.json"
    path.write_text(spec["tokenizer"], encoding="utf-8")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path), pad_token="[PAD]")
    classify = pipeline("text-classification", model=eager, tokenizer=tokenizer, device=torch.device("cpu"))
    return lambda text: classify(text, truncation=True, max_length=spec["max_length"])[0]["label"]


def _audio_pipeline(job: dict[str, Any], named: dict[str, Any], whole: bool) -> Answer:
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification, pipeline

    model, spec = _run(job).model(), job["preprocess"]
    encoder = model.backbone.encoder
    cut = encoder.config.max_source_positions
    seconds = 30 if whole else spec["seconds"]
    given = encoder.config.to_dict() | named | {"classifier_proj_size": encoder.config.d_model}
    eager = WhisperForAudioClassification(
        WhisperConfig(**given | {"max_source_positions": 1500 if whole else cut, "use_weighted_layer_sum": False})
    ).eval()
    state = encoder.state_dict()
    if whole:  # the run keeps the positions of its window; those behind it add nothing to the time
        state["embed_positions.weight"] = torch.nn.functional.pad(
            state["embed_positions.weight"], (0, 0, 0, 1500 - cut)
        )
    eager.encoder.load_state_dict(state)
    with torch.no_grad():
        eager.projector.weight.copy_(torch.eye(encoder.config.d_model))
        eager.projector.bias.zero_()
    eager.classifier.load_state_dict(model.head.state_dict())
    extractor = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins, chunk_length=int(seconds))
    classify = pipeline("audio-classification", model=eager, feature_extractor=extractor, device=torch.device("cpu"))
    return lambda path: classify(_decoded(path, spec), top_k=1)[0]["label"]


def _run(job: dict[str, Any]) -> Any:
    from tlzoo.workflows.run import Run

    return Run.load(job["run"])


SIDES: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "tlzoo": tlzoo_side,
    "raw": raw_side,
    "timm": timm_side,
    "pipeline": pipeline_side,
    "pipeline-whole": lambda job: pipeline_side(job, whole=True),
}


def main() -> None:
    """Take turns until there is no more input."""
    side = sys.argv[2]
    job = json.loads(Path(sys.argv[1]).read_text()) | {"threads": int(sys.argv[3])}
    if side not in ("tlzoo", "raw"):
        import torch

        torch.set_num_threads(job["threads"])
    answer, inputs = SIDES[side](job), cycle(job["inputs"])
    print(json.dumps(side), flush=True)
    for line in sys.stdin:
        seconds, labels = [], []
        for given in islice(inputs, json.loads(line)):
            began = time.perf_counter()
            labels.append(answer(given))
            seconds.append(time.perf_counter() - began)
        print(json.dumps({"seconds": seconds, "labels": labels}), flush=True)


if __name__ == "__main__":
    main()
