"""`tlzoo export`: from a run to one ONNX file that says what it is and is proven equal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto

from tlzoo import __version__, plugins
from tlzoo.allocator import keep_big_blocks
from tlzoo.data import fingerprint
from tlzoo.engine.graph import OPSET, export_graph
from tlzoo.engine.measuring import logits
from tlzoo.engine.model import Model, make_preprocessor
from tlzoo.engine.run import Run
from tlzoo.errors import ExportError
from tlzoo.export.manifest import KEY, Manifest, Origin, Parity, parse_manifest
from tlzoo.export.verify import prove
from tlzoo.files import obstacle, whole_file
from tlzoo.parts import Graph
from tlzoo.preprocess import make_preprocessor as core_preprocessor
from tlzoo.registry.schema import Checkpoint, FileSource
from tlzoo.runtime import Predictor, load
from tlzoo.runtime.session import open_session

PLACES = ("from", "target")
"""What a run says of its adaptation that is a path of this machine."""


@dataclass(frozen=True)
class Exported:
    """The file written: `bytes` long, its proof, metrics of the model (`reference`) and of the file (`exported`)."""

    path: Path
    bytes: int
    parity: Parity
    metrics: dict[str, dict[str, float]]
    seconds: float

    def load(self) -> Predictor:
        """A predictor on the file."""
        return load(self.path)


def export(run: Run, path: str | Path, *, data: str | Path | None = None, opset: int = OPSET) -> Exported:
    """Export a run to one ONNX file at `path` and prove it equal to the trained model on held-out samples.

    `data` names labelled samples to prove it on; by default the run's own test part. The file appears only when the
    proof holds. Raises ParityError when it does not, ExportError when the graph cannot be written, DataError when the
    held-out data is gone.
    """
    began = time.monotonic()
    if reason := "it is a folder" if Path(path).is_dir() else obstacle(Path(path)):
        raise ExportError(f"{path} cannot be written: {reason}.", hint="Choose another --out.")
    keep_big_blocks()
    model = run.model()
    samples = run.heldout(data)
    heldout = run.dataset(samples)
    assert heldout.targets is not None
    reference = logits(model, heldout)
    metrics = model.task.metrics(reference, heldout.targets)
    with whole_file(Path(path)) as temporary:
        graph = write_graph(model, temporary, opset)
        proto = onnx.load(temporary, load_external_data=False)
        forget_origins(proto)
        predictor = _unproven(proto, run, graph)
        proof = prove(predictor, heldout.inputs, reference)
        both = {"reference": metrics, "exported": model.task.metrics(proof.exported, heldout.targets)}
        manifest = describe(run, graph, both, proof.parity)
        embed(proto, manifest.model_copy(update={"data": {**manifest.data, "proven_on": fingerprint(samples)}}))
        onnx.save(proto, temporary)
    seconds = round(time.monotonic() - began, 2)
    return Exported(Path(path), Path(path).stat().st_size, proof.parity, both, seconds)


def write_graph(model: Model, path: Path, opset: int) -> Graph:
    """Ask the plugin, then the core, for the ONNX file; check it is one whole model that is as its graph says."""
    checkpoint = model.checkpoint
    graph = plugins.call(
        "export", checkpoint.plugin, Graph, default=export_graph, model=model.eval(), path=path, opset=opset
    )
    proto = onnx.load(path, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in proto.graph.initializer):
        raise ExportError(
            f"The export of {checkpoint.id} keeps weights outside its file.",
            hint="Ask the plugin's author for one file.",
        )
    opsets = tuple(used.version for used in proto.opset_import if used.domain in ("", "ai.onnx"))
    for what, found, said in (
        ("inputs", tuple(given.name for given in proto.graph.input), graph.inputs),
        ("outputs", tuple(given.name for given in proto.graph.output), graph.outputs),
        ("opset", opsets, (graph.opset,)),
    ):
        if found != said:
            raise ExportError(
                f"The export of {checkpoint.id} has {what} {list(found)}, not {list(said)}.",
                hint="Report it to the plugin's author.",
            )
    return graph


def describe(run: Run, graph: Graph, metrics: dict[str, dict[str, float]], parity: Parity) -> Manifest:
    """The manifest of a run's export."""
    return Manifest(
        task=run.task.name,
        labels=run.task.labels,
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
        },
        options=run.options,
        metrics=metrics,
        parity=parity,
        versions=run.versions,
        adapted=run.adapted and {name: fact for name, fact in run.adapted.items() if name not in PLACES},
    )


def forget_origins(proto: ModelProto) -> None:
    """Remove torch's stack traces and notes: they hold paths of this machine, and nothing that running takes."""
    for nodes in (proto.graph.node, *(function.node for function in proto.functions)):
        for node in _with_inner(nodes):
            del node.metadata_props[:]
            node.doc_string = ""


def _with_inner(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """These nodes and those of the branches and bodies inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _with_inner(graph.node)


def embed(proto: ModelProto, manifest: Manifest) -> None:
    """Put the manifest into the model's metadata, in place of one that is there."""
    kept = [prop for prop in proto.metadata_props if prop.key != KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    proto.metadata_props.add(key=KEY, value=manifest.model_dump_json(exclude_none=True))
    proto.producer_name, proto.producer_version = "tlzoo", __version__


def _unproven(proto: ModelProto, run: Run, graph: Graph) -> Predictor:
    """The predictor as deployers will have it, from the model's bytes and a manifest that went through JSON."""
    nothing = Parity(samples=0, batches=(), max_abs_diff=0, scale=0, tolerance=0, top1_agreement=0)
    text = describe(run, graph, {}, nothing).model_dump_json(exclude_none=True)
    manifest = parse_manifest({KEY: text}, run.checkpoint.id)
    spec = manifest.preprocess
    preprocessor = make_preprocessor(run.checkpoint, spec) if spec.kind == "plugin" else core_preprocessor(spec)
    try:
        return Predictor(open_session(proto.SerializeToString()), manifest, preprocessor)
    except Exception as cause:
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise ExportError(
            f"The export of {run.checkpoint.id} does not run: {reason}", hint="Report it to the plugin's author."
        ) from cause


def _origin(checkpoint: Checkpoint) -> Origin:
    source = checkpoint.source.model_dump(mode="json", exclude_none=True)
    files = source.get("members") or source.get("files") or [source]
    if isinstance(checkpoint.source, FileSource):
        for file in files:
            file["path"] = Path(file["path"]).name
    pinned = {f.get("path") or f.get("url"): f["sha256"] for f in files if "sha256" in f}
    return Origin(
        id=checkpoint.id, architecture=checkpoint.architecture, license=checkpoint.license, source=source, sha256=pinned
    )
