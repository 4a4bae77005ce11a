"""A plugin that adds one of everything, for checkpoints of other plugins too. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from annotated_types import Interval

from tlzoo.plugin import AdaptationMethod, ExportFormat, Freeze, Probe, RegisteredTask, Strategy, hookimpl


@dataclass(frozen=True, kw_only=True)
class Fixed(Probe):
    """A probe whose record says a number."""

    strategy: ClassVar[str] = "duo/fixed"

    times: Annotated[int, Interval(ge=1, le=9), "What is recorded"] = 1


@hookimpl
def load_backbone(checkpoint, weights, output):
    """The backbones of `duo/means`, the colours of four quarters, and `duo/words`, the mean of words."""
    if checkpoint.plugin != "duo" or checkpoint.architecture not in ("means", "words"):
        return None
    from tlzoo_duo import networks

    return getattr(networks, checkpoint.architecture)(checkpoint)


@hookimpl
def freeze(model, policy):
    """`bitfit`: biases train (Ben Zaken, Ravfogel & Goldberg 2021)."""
    if policy != "bitfit":
        return None
    biases = {name for name, _ in model.named_parameters() if name.endswith("bias") or name.startswith("head.")}
    return Freeze(frozenset(biases))


@hookimpl
def build_head(backbone, task, options):
    """`cosine`: logits are ten times cosines (Gidaris & Komodakis 2018)."""
    if options.get("head") != "cosine":
        return None
    from tlzoo_duo.networks import cosine_head

    return cosine_head(backbone, task, options)


@hookimpl
def register_tasks():
    """A task for each thing that a task may have."""
    from tlzoo_duo.tasks import Both, Longest, Pair, Steps, Two

    return [RegisteredTask(each.family, each) for each in (Two, Pair, Longest, Steps, Both)]


@hookimpl
def register_adaptation():
    """`adabn`: BatchNorm's statistics of the target (Li et al. 2016)."""
    from tlzoo_duo.networks import adabn

    return [AdaptationMethod("adabn", adabn)]


@hookimpl
def register_strategies():
    """`head-only`: gradient descent on the head; `fixed`: a probe with an option of its own."""

    def train(job):
        from tlzoo.plugin import run_finetune

        return run_finetune(job)

    def tell(job):
        from tlzoo.plugin import run_probe

        result = run_probe(job)
        return replace(result, details={**result.details, "told": job.options.times})

    return [Strategy("head-only", train, policy="all"), Strategy("fixed", tell, policy="all", options=Fixed)]


@hookimpl
def register_formats():
    """`named`: the model beside a file that says what it is."""

    def write(folder, model, manifest):
        (folder / "model.onnx").write_bytes(model)
        (folder / "task.txt").write_text(manifest.task)

    return [ExportFormat("named", write)]


@hookimpl
def export(model, path, opset):
    """The core's export, but for the task whose graph is a loop."""
    if model.task.form != "loop" or not hasattr(model.head, "steps"):
        return None
    from tlzoo_duo.loop import write_loop

    return write_loop(model, path, opset)
