"""Vision models of transformers: a hub repository as an entry, and an entry as a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from tlzoo.errors import PluginError, RegistryError, first_line
from tlzoo.plugin import Backbone, Checkpoint, meta_device, transformers_network
from tlzoo_vision.backbone import backbone_of, check_output, count, image_spec
from tlzoo_vision.geometry import spec_of
from tlzoo_vision.names import TRANSFORMERS
from tlzoo_vision.pixels import TransformersNetwork, layer_stages

if TYPE_CHECKING:
    from tlzoo.plugin import FeatureKind, Repository, Weights

_TOWERS = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Models of pictures and texts, and their half that sees."""
_UNSUPPORTED = {
    "imagegpt": "it takes palette tokens instead of pixels",
    "perceiver": "it takes more than pixels",
    "siglip2": "it takes pictures cut into patches",
    "timm_wrapper": "its config.json lacks timm's configuration",
    "vit_mae": "it masks most of a picture at random",
}
_EAGER = {"donut-swin", "maskformer-swin", "swin"}
"""torch.onnx cannot export their attention with a bias through PyTorch's fused kernel."""
_LABELS = {
    "id2label",
    "label2id",
    "problem_type",
    "transformers_version",
    "architectures",
    "_name_or_path",
    "dtype",
    "num_labels",
}


def resolve(id: str, repository: Repository) -> Checkpoint | None:
    """The entry of a repository whose network takes `pixel_values` alone; `None` for another.

    Raises RegistryError where it sees pictures and cannot be used, with the reason.
    """
    document = repository.documents["config.json"]
    kind = str(document["model_type"])
    if not _is_vision_model(kind):
        return None
    if kind in _UNSUPPORTED:
        raise RegistryError(
            f"{id}: models of type {kind!r} are not supported: {_UNSUPPORTED[kind]}.", hint="Choose another checkpoint."
        )
    spec = spec_of(id, repository.documents["preprocessor_config.json"])
    architecture, config = _configured(kind, document)
    plain = {
        "id": id,
        "builder": "vision",
        "architecture": TRANSFORMERS + architecture,
        "config": config,
        "source": repository.source(repository.weights()),
        "license": repository.license,
        "tasks": ("image-classification",),
        "parameters": 1,
        "feature_dim": 1,
        "preprocess": spec,
        "pretrained_on": repository.datasets,
        "languages": repository.languages,
        "paper": repository.paper,
    }
    checkpoint = Checkpoint.model_validate(plain)
    try:
        with meta_device():
            module = _module(checkpoint, None, "vector")
            feature_dim = _width(module, torch.empty(2, *spec.size, 3, dtype=torch.uint8))
        counted = count(module, layer_stages(module, "net"))
    except Exception as cause:
        raise RegistryError(
            f"{id}: a {kind!r} network cannot be built from its config.json: {first_line(cause)}",
            hint="Choose another checkpoint.",
        ) from cause
    return Checkpoint.model_validate({**plain, "feature_dim": feature_dim, **counted})


def build(checkpoint: Checkpoint, weights: Weights | None, output: FeatureKind) -> Backbone:
    """The backbone in eval mode: `vector` [N, D] or `map` [N, C, H, W]; random where `weights` is `None`.

    `vector` is what transformers pools without learning, else the class token, else the mean. Raises PluginError for
    an output that is neither and a configuration that no network can be built of, SourceError for weights that do not
    fit it.
    """
    check_output(output)
    module = _module(checkpoint, weights, output).eval()
    return backbone_of(checkpoint, module, layer_stages(module, "net"), output)


def _is_vision_model(kind: str) -> bool:
    _require_transformers()
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto as auto

    mappings = (auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, auto.MODEL_FOR_BACKBONE_MAPPING_NAMES)
    others = {*_TOWERS.values(), *_UNSUPPORTED, "ijepa"}
    return kind in CONFIG_MAPPING and (kind in others or any(kind in names for names in mappings))


def _require_transformers() -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as cause:
        raise PluginError(
            "This checkpoint needs transformers, which is not installed.",
            hint="Install it: pip install 'tlzoo-vision[transformers]'",
        ) from cause


def _configured(kind: str, document: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The model_type to build, and the arguments of its configuration."""
    inner = document.get("vision_config")
    given = inner if kind in _TOWERS and isinstance(inner, dict) else {} if kind in _TOWERS else document
    config = {name: value for name, value in given.items() if name not in {*_LABELS, "model_type", "torch_dtype"}}
    return _TOWERS.get(kind, kind), config


def _module(checkpoint: Checkpoint, weights: Weights | None, output: str) -> TransformersNetwork:
    """Pictures to the network's output; a learnt pooler is left out, for few checkpoints have its weights."""
    _require_transformers()
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    spec = image_spec(checkpoint)
    kind = checkpoint.architecture.removeprefix(TRANSFORMERS)
    try:
        config = CONFIG_MAPPING[kind].from_dict(dict(checkpoint.config))
        network = MODEL_MAPPING[type(config)]
        # a configuration may name code here that transformers would fetch from a hub
        config._attn_implementation = "eager" if kind in _EAGER else None
        with torch.device("meta"):
            net = network(config)
        unpooled = isinstance(getattr(getattr(net, "pooler", None), "dense", None), torch.nn.Linear)
        options = {"add_pooling_layer": False} if unpooled else {}
        if weights is None:
            net = network(config, **options).float()
    except Exception as cause:
        raise PluginError(
            f"Entry {checkpoint.id!r}: a {kind!r} network cannot be built from its config: {first_line(cause)}",
            hint="Correct the registry entry.",
        ) from cause
    if weights is not None:
        net, _ = transformers_network(checkpoint, config, weights, **options)
    return TransformersNetwork(net, spec.mean, spec.std, output)


def _width(module: TransformersNetwork, images: torch.Tensor) -> int:
    with torch.no_grad():
        return int(module.eval()(images).shape[1])
