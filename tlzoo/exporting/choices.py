"""Precisions and formats by name, and where a file may be written: what a command refuses before it imports torch."""

from __future__ import annotations

from pathlib import Path

from tlzoo.errors import ExportError, UsageError
from tlzoo.io.files import why_unwritable
from tlzoo.options import Thresholds
from tlzoo.plugins.extensions import declared_names, unknown_extension

FORMATS = {"triton": "tlzoo.exporting.formats.triton", "web": "tlzoo.exporting.formats.web"}
"""Writers of formats other than one file, imported on use."""
PRECISIONS = ("fp32", "fp16", "int8", "auto")


def check_choices(out: Path, precision: str, format: str, thresholds: Thresholds | None = None) -> None:
    """Raise UsageError for a precision or a format that there is not, and for thresholds without effect, ExportError
    for an `out` that cannot be written; nothing of a plugin is imported."""
    if precision not in PRECISIONS:
        raise UsageError(
            f"Unknown precision {precision!r}.", hint=f"Choose one of: {', '.join(PRECISIONS)}.", parameter="precision"
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
    if format != "onnx" and out.exists():
        reason = "it already exists"
    if reason:
        raise ExportError(f"{out} cannot be written: {reason}.", hint="Choose another `out`.", parameter="out")


def unknown_format(format: str) -> UsageError:
    """The error for a format that nobody declares."""
    return unknown_extension("formats", format, ("onnx", *FORMATS))
