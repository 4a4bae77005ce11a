"""`tlzoo.Run`: a run folder with what can be made of it."""

from __future__ import annotations

from dataclasses import dataclass

from tlzoo.runs.run import RunFolder
from tlzoo.workflows.export import export


@dataclass(frozen=True, repr=False)
class Run(RunFolder):
    """A trained model's folder, and what its `run.json` says; `run.export(...)` is `tlzoo.export(run, ...)`."""

    export = export
