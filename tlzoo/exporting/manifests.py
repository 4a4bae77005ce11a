"""The manifest of an exported file, from its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tlzoo.artifact.manifest import Manifest, SourceCheckpoint
from tlzoo.data import for_other_data
from tlzoo.interfaces import Graph
from tlzoo.plugins.tasks import distribution_of
from tlzoo.registry.schema import Checkpoint, FileSource
from tlzoo.runs.run import RunFolder

PLACES = ("from", "target")
"""What a run says of its adaptation that is a path of this machine."""


def make_manifest(run: RunFolder, graph: Graph, **proven: Any) -> Manifest:
    """The manifest of a run's export; `proven` are the manifest's fields that come from proofs and measurements."""
    return Manifest(
        task=run.task.name,
        labels=run.task.labels,
        settings=run.task.settings(),
        plugin=run.task.plugin,
        distribution=distribution_of(run.task.plugin),
        preprocess=run.preprocess,
        inputs=graph.inputs,
        outputs=graph.outputs,
        opset=graph.opset,
        checkpoint=_origin(run.checkpoint),
        data={
            "fingerprint": run.data.fingerprint,
            "heldout_fingerprint": run.data.heldout_fingerprint,
            "n_train": run.data.n_train,
            "n_validation": run.data.n_validation,
            "n_test": run.data.n_test,
            "columns": for_other_data(run.data.columns),
            **proven.pop("data", {}),
        },
        options=run.options,
        versions=run.versions,
        adapted=run.adapted and {name: fact for name, fact in run.adapted.items() if name not in PLACES},
        **proven,
    )


def _origin(checkpoint: Checkpoint) -> SourceCheckpoint:
    source = checkpoint.source.model_dump(mode="json", exclude_none=True)
    files = source.get("members") or source.get("files") or [source]
    if isinstance(checkpoint.source, FileSource):
        for file in files:
            file["path"] = Path(file["path"]).name
    pinned = {f.get("path") or f.get("url"): f["sha256"] for f in files if "sha256" in f}
    return SourceCheckpoint(
        id=checkpoint.id, architecture=checkpoint.architecture, license=checkpoint.license, source=source, sha256=pinned
    )
