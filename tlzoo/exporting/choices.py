"""What an export is asked for, and whether that can be: known before torch is imported, which takes seconds."""

from __future__ import annotations

import mmap
from pathlib import Path

from tlzoo.artifact import signature
from tlzoo.artifact.manifest import KEY
from tlzoo.errors import DataError, ExportError, UsageError, concerning
from tlzoo.io.files import check_exists, why_unwritable
from tlzoo.options import Thresholds
from tlzoo.plugins.extensions import declared_names, unknown_extension
from tlzoo.runs.run import RunFolder
from tlzoo.specs import ImageSpec

FORMATS = {"triton": "tlzoo.exporting.formats.triton", "web": "tlzoo.exporting.formats.web"}
"""Writers of formats other than one file, imported on use."""
PRECISIONS = ("fp32", "fp16", "int8", "auto")


def check_export(
    run: RunFolder,
    out: Path,
    *,
    data: str | Path | None,
    precision: str,
    raw_input: bool,
    format: str,
    thresholds: Thresholds | None,
    sign: str | Path | None,
) -> None:
    """Raise for what cannot be, before any computation: as `check_choices`, and for what the run cannot take."""
    check_choices(out, precision, format, thresholds)
    with concerning("data", DataError):
        check_exists(data)
    if sign is not None:
        with concerning("sign", named=True):
            signature.entry(b"", sign)
    if raw_input and not isinstance(run.preprocess, ImageSpec):
        raise UsageError(
            f"`raw_input=True` needs an image model; this run takes {run.task.modality}.",
            hint="Leave it out.",
            parameter="raw_input",
        )
    if format == "web":
        from tlzoo.exporting.formats.web import check_task, libraries

        check_task(run.task)
        libraries(run.preprocess)


def check_choices(out: Path, precision: str, format: str, thresholds: Thresholds | None = None) -> None:
    """Raise UsageError for a precision or a format that there is not, and for thresholds without effect, ExportError
    for an `out` that cannot be written or is in the way; nothing of a plugin is imported."""
    if precision not in PRECISIONS:
        raise UsageError(  # none is suggested: int4 is no misspelt int8
            f"`precision={precision!r}` is unknown.",
            hint=f"Choose one of: {', '.join(PRECISIONS)}.",
            parameter="precision",
        )
    if thresholds is not None and precision == "auto":
        raise UsageError(
            f"`thresholds={thresholds.over({})}` cannot be combined with `precision='auto'`, which tries several.",
            hint="Choose one, such as `precision='int8'`.",
            parameter="thresholds",
        )
    if "/" not in format and format not in {"onnx", *FORMATS, *declared_names("formats")}:
        raise unknown_format(format)
    reason = why_unwritable(out)
    if format == "onnx" and out.is_dir():
        reason = "it is a folder"
    elif format == "onnx" and out.exists() and not can_be_replaced(out):
        reason = "it exists, and tlzoo did not export it"
    if format != "onnx" and out.exists():
        reason = "it already exists"
    if reason:
        raise ExportError(f"{out} cannot be written: {reason}.", hint="Choose another `out`.", parameter="out")


def can_be_replaced(file: Path) -> bool:
    """Whether an export may replace a file: one of tlzoo's, known by the manifest in it, or an empty one."""
    try:
        with file.open("rb") as opened:
            if file.stat().st_size == 0:
                return file.is_file()
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return content.find(KEY.encode()) >= 0
    except (OSError, ValueError):
        return False


def unknown_format(format: str) -> UsageError:
    """The error for a format that nobody declares."""
    return unknown_extension("formats", format, ("onnx", *FORMATS))
