"""Networks of transformers from a checkpoint's folder: with no code of it, without a report, and complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tlzoo.errors import RegistryError, SourceError, first_line
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights.formats.statedict import State, read_state

_NOT_ARGUMENTS = {
    *("model_type", "transformers_version", "architectures", "_name_or_path", "dtype", "use_cache"),
    *("id2label", "label2id", "problem_type", "task_specific_params", "finetuning_task", "num_labels"),
}


def transformers_config(checkpoint: Checkpoint, weights: Weights | None) -> Any:
    """The configuration of transformers in the folder's config.json, else of the entry's architecture and `config`.

    Raises SourceError for a config.json that cannot be read or is of another architecture, RegistryError for an entry
    of which there is none.
    """
    from transformers import AutoConfig

    if weights is not None and "config.json" in weights.files:
        with _readable(checkpoint):
            config = AutoConfig.from_pretrained(weights.folder, local_files_only=True, trust_remote_code=False)
    else:
        try:
            config = AutoConfig.for_model(checkpoint.architecture, **checkpoint.config)
        except Exception as cause:
            raise RegistryError(
                f"Entry {checkpoint.id!r}: a {checkpoint.architecture!r} cannot be built from its config: "
                f"{first_line(cause)}",
                hint="Correct `architecture` (a model_type of transformers) or `config` in the registry file.",
            ) from cause
    if config.model_type != checkpoint.architecture:
        raise SourceError(
            f"The weights of {checkpoint.id!r} are of architecture {config.model_type!r}, "
            f"its entry says {checkpoint.architecture!r}.",
            hint="Correct `architecture` or `source` in the registry file.",
        )
    config._attn_implementation = None  # it may name code that transformers would fetch from a hub
    return config


def transformers_arguments(config: Any) -> dict[str, Any]:
    """What an entry's `config` needs, beside its architecture, to make this configuration again, but for labels."""
    given = json.loads(json.dumps(config.to_diff_dict()))
    return {name: value for name, value in given.items() if name not in _NOT_ARGUMENTS}


def transformers_network(
    checkpoint: Checkpoint, config: Any, weights: Weights, **options: Any
) -> tuple[Any, list[str]]:
    """The network without head of this configuration, in float32, with the folder's weights; and those left over.

    `options` go to its class. Raises SourceError for weights that cannot be read, lack one that the network needs or
    have another shape. The decoder after an encoder may be missing.
    """
    from transformers import MODEL_MAPPING

    state = _pickled(checkpoint, weights)
    with _readable(checkpoint):
        network, report = MODEL_MAPPING[type(config)].from_pretrained(
            weights.folder if state is None else None,
            config=config,
            state_dict=state,
            dtype="float32",
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **options,
        )
    has_encoder = any(name == "encoder" for name, _ in network.named_children())
    missing = [key for key in report["missing_keys"] if not (has_encoder and key.startswith("decoder."))]
    misshapen = [key for key, *_ in report["mismatched_keys"]]
    for problem, keys in (("lack", missing), ("have the wrong shape for", misshapen)):
        if keys:
            raise weights_mismatch(checkpoint, problem, keys)
    return network, sorted(report["unexpected_keys"])


def weights_mismatch(checkpoint: Checkpoint, problem: str, keys: list[str]) -> SourceError:
    """Weights that are not those of the entry's network: they `lack` such a key, or `have the unexpected` one."""
    return SourceError(
        f"The weights of {checkpoint.id!r} {problem} {min(keys)!r} ({len(keys)} in total).",
        hint=f"Check the entry's `architecture`, `config` and `source`, or fetch again: tlzoo pull {checkpoint.id}",
    )


def _pickled(checkpoint: Checkpoint, weights: Weights) -> State | None:
    """The tensors of weights in pickle form, which transformers is not to read itself; `None` where there are none."""
    if any(name.endswith(".safetensors") for name in weights.files):
        return None
    parts = sorted(name for name in weights.files if name.endswith(".bin"))
    return {key: value for name in parts for key, value in read_state(checkpoint, weights, name).items()} or None


@contextmanager
def _readable(checkpoint: Checkpoint) -> Iterator[None]:
    """Raise what damaged or foreign files raise as SourceError; without transformers' progress bar and load report."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except Exception as cause:
        raise SourceError(
            f"The weights of {checkpoint.id!r} cannot be loaded: {first_line(cause)}",
            hint=f"Fetch them again: tlzoo pull {checkpoint.id}",
        ) from cause
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
