"""`tlzoo.Run`: a run folder with what can be made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlzoo.runs.run import RunFolder

if TYPE_CHECKING:
    from tlzoo.export.export import Exported


@dataclass(frozen=True)
class Run(RunFolder):
    """A trained model's folder, and what its `run.json` says."""

    def export(self, path: str | Path, **options: Any) -> Exported:
        """Write one ONNX file and prove it equal; `options` are those of `tlzoo.export.export.export`."""
        from tlzoo.export.export import export

        return export(self, path, **options)
