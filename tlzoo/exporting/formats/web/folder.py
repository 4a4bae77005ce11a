"""Write that folder."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from tlzoo.artifact.manifest import Manifest
from tlzoo.errors import ExportError
from tlzoo.exporting.formats.web.tokens_check import check_tokens
from tlzoo.exporting.formats.web.vendored import ONNXRUNTIME, TOKENIZERS, fetch_library
from tlzoo.io.disk import write_bytes, write_text
from tlzoo.runtime.unknown_task import task_of_manifest
from tlzoo.specs import Preprocess, TextSpec
from tlzoo.tasks.base import Task

PAGE = ("facts.js", "index.html", "inputs.js", "model.js", "numbers.js", "page.css", "page.js", "seal.js")
OWN = "arrays.js"
"""The page of a task that brings none."""
PREPROCESSING = {
    "image": ("preprocess-image.js", "resample-image.js", "rounding.js"),
    "text": ("charsmap-text.js", "normalize-bert.js", "offsets-text.js", "preprocess-text.js", "tokens-text.js"),
    "audio": ("mix-audio.js", "preprocess-audio.js", "resample-audio.js", "rounding.js", "sound-rate.js", "wav.js"),
}
_SITE = files("tlzoo.exporting.formats.web") / "site"


def libraries(preprocess: Preprocess) -> dict[str, Path]:
    """The libraries that a page with this preprocessing needs, by name, from the cache or by the user's npm.

    Raises ExportError where a plugin's own preprocessing or a missing tokenizer cannot go along, or npm fails; Offline
    and HashMismatch as `fetch_library`.
    """
    kind = preprocess.kind
    if kind not in PREPROCESSING:
        raise ExportError(
            f"A web page cannot run Python preprocessing, as that of plugin {getattr(preprocess, 'plugin', '?')!r}.",
            hint="Export one file: `format='onnx'`.",
            parameter="format",
        )
    if isinstance(preprocess, TextSpec) and not preprocess.tokenizer:
        raise ExportError("The manifest has no tokenizer.", hint="Export the run again.")
    packages = (ONNXRUNTIME, TOKENIZERS) if kind == "text" else (ONNXRUNTIME,)
    return {name: path for package in packages for name, path in fetch_library(package).items()}


def check_task(task: Task) -> None:
    """Raise ExportError for a task whose input the page cannot take."""
    if len(task.inputs) > 1:
        raise ExportError(
            f"The web page takes one input; task {task.name} has several.",
            hint="Export one file: `format='onnx'`.",
            parameter="format",
        )


def write(folder: Path, model: bytes, manifest: Manifest) -> None:
    """Write `model`, `manifest`, the page and its libraries into the existing, empty `folder`.

    Any server of static files will do for it; nothing in it asks another host. Raises as `check_task`, `libraries` and
    `check_tokens` do.
    """
    task = task_of_manifest(manifest)
    check_task(task)
    needed = libraries(manifest.preprocess)
    (folder / "vendor").mkdir()
    for name, path in needed.items():
        shutil.copyfile(path, folder / "vendor" / name)
    for name in (*PAGE, *PREPROCESSING[manifest.preprocess.kind]):
        _copy_own(name, folder / name)
    if task.page is None:
        _copy_own(OWN, folder / "task.js")
    else:
        shutil.copyfile(task.page, folder / "task.js")
    if isinstance(manifest.preprocess, TextSpec):
        check_tokens(folder, manifest.preprocess)
    _copy_own("onnxruntime-LICENSE.txt", folder / "vendor" / "onnxruntime-LICENSE.txt")
    write_text(folder / "manifest.json", manifest.model_dump_json(exclude_none=True))
    write_bytes(folder / "model.onnx", model)


def _copy_own(name: str, to: Path) -> None:
    with as_file(_SITE / name) as path:
        shutil.copyfile(path, to)
