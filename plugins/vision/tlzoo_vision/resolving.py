"""timm's names and hub repositories of vision models as registry entries, from their own configuration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import timm
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import ValidationError
from timm.models import get_pretrained_cfg, is_model, split_model_name_tag

from tlzoo.errors import RegistryError, UnknownCheckpoint, first_line
from tlzoo.plugin import Checkpoint, ImageSpec, meta_device
from tlzoo_vision.backbone import describe

if TYPE_CHECKING:
    from tlzoo.plugin import Repository

_INTERPOLATIONS = ("bilinear", "bicubic", "nearest", "lanczos")


def resolve_timm(id: str) -> Checkpoint:
    """The entry of `timm/<architecture>[.<tag>]` from timm's own table; without a tag, timm's default one.

    Raises UnknownCheckpoint with near names, RegistryError where the weights cannot be fetched or used.
    """
    name = id.partition("/")[2]
    try:
        known = get_pretrained_cfg(name) if is_model(name) else None
    except RuntimeError:  # it has the architecture, and not this tag
        known = None
    if known is None:
        raise UnknownCheckpoint(f"timm {timm.__version__} has no {name!r}.", hint=_nearest(name))
    if not known.has_weights:
        raise UnknownCheckpoint(f"timm {timm.__version__} has no weights of {name!r}.", hint=_nearest(name))
    file = known.hf_hub_filename or "model.safetensors"
    if not known.hf_hub_id or not file.endswith(".safetensors"):
        raise RegistryError(
            f"The weights of {id} are not a safetensors file on the hub: {known.url or file}.",
            hint="Save them as safetensors, and name that file in a registry of your own (TLZOO_REGISTRY).",
        )
    full = f"{split_model_name_tag(name)[0]}.{known.tag}" if known.tag else name
    source = {"kind": "hub", "repo": known.hf_hub_id, "files": [{"path": file}]}
    return _entry(id, full, {}, asdict(known), source=source, license=_spdx(known.license))


def resolve_repository(id: str, repository: Repository) -> Checkpoint | None:
    """The entry of a hub repository that timm wrote; `None` for another. Raises RegistryError for one not usable."""
    try:
        return _of_timm(id, repository)
    except (AttributeError, KeyError, TypeError, ValueError) as cause:
        raise RegistryError(
            f"{id}: its config.json cannot be used: {first_line(cause)}", hint="Choose another checkpoint."
        ) from cause


def _of_timm(id: str, repository: Repository) -> Checkpoint | None:
    document = repository.documents.get("config.json", {})
    architecture, given = document.get("architecture"), document.get("pretrained_cfg")
    if not isinstance(architecture, str) or not isinstance(given, dict):
        return None
    if not is_model(architecture):
        raise RegistryError(
            f"timm {timm.__version__} has no architecture {architecture!r} for {id}.",
            hint="Upgrade it: pip install --upgrade timm",
        )
    known = {**asdict(timm.models.PretrainedCfg()), **document, **given}
    config = dict(document.get("model_args") or {})
    if known["num_classes"] > 0:
        config["num_classes"] = known["num_classes"]
    if known.get("global_pool"):
        config["global_pool"] = known["global_pool"]
    if known["fixed_input_size"]:
        config["img_size"] = list(known["input_size"][1:])
    beside = {
        "license": repository.license or _spdx(known["license"]),
        "languages": repository.languages,
        "pretrained_on": repository.datasets,
    }
    source = repository.source(repository.weights())
    return _entry(id, architecture, config, {"paper": repository.paper, **known}, source=source, **beside)


def _entry(
    id: str, architecture: str, config: Mapping[str, Any], known: Mapping[str, Any], **beside: Any
) -> Checkpoint:
    """The entry of this architecture under timm's configuration `known`."""
    spec = _spec(id, known)
    mode = "border" if known["crop_pct"] > 1 else known["crop_mode"]
    plain = {
        "id": id,
        "builder": "vision",
        "architecture": architecture,
        "config": config,
        "tasks": ("image-classification",),
        "parameters": 1,
        "feature_dim": 1,
        "preprocess": spec,
        "paper": _paper(known),
        "tags": () if mode == "center" else (mode,),
        **beside,
    }
    checkpoint = Checkpoint.model_validate(plain)
    try:
        with meta_device():
            counted = describe(checkpoint)
    except Exception as cause:
        raise RegistryError(
            f"{id}: {architecture!r} cannot be built from its configuration: {first_line(cause)}",
            hint="Choose another checkpoint.",
        ) from cause
    return Checkpoint.model_validate({**plain, **counted})


def _spec(id: str, known: Mapping[str, Any]) -> ImageSpec:
    """timm's evaluation; of a picture that is no square, what timm squashes or pads gives the middle here, and where
    timm pads every picture (a crop above 1) the whole of the middle."""
    channels, *size = known["input_size"]
    for number in (channels, len(known["mean"]), len(known["std"])):
        if number != 3:
            raise RegistryError(
                f"{id} takes pictures with {number} channels; tlzoo supports 3.", hint="Choose another checkpoint."
            )
    interpolation = known["interpolation"] if known["interpolation"] in _INTERPOLATIONS else "bicubic"
    try:
        return ImageSpec(
            size=size,
            crop=min(known["crop_pct"], 1.0),
            interpolation=interpolation,
            mean=known["mean"],
            std=known["std"],
        )
    except ValidationError as cause:
        fault = cause.errors(include_url=False)[0]
        raise RegistryError(
            f"{id} states a preprocessing that cannot be: {fault['loc'][0]}: {fault['msg']}.",
            hint="Choose another checkpoint.",
        ) from cause


def _spdx(name: str | None) -> str | None:
    """The SPDX expression of timm's name for a licence; companies' own licences have none."""
    try:
        return canonicalize_license_expression(name or "")
    except InvalidLicenseExpression:
        return None


def _paper(known: Mapping[str, Any]) -> str | None:
    ids = known.get("paper_ids") or ()
    first = ids if isinstance(ids, str) else next(iter(ids), "")
    number = first.lower().removeprefix("arxiv:").strip()
    return f"https://arxiv.org/abs/{number}" if number else known.get("paper")


def _nearest(name: str) -> str:
    architecture, _ = split_model_name_tag(name.lower())
    names = [full for full in timm.list_pretrained() if full.partition(".")[0] == architecture]
    near = names or difflib.get_close_matches(
        architecture, timm.list_models(pretrained=True, include_tags=False), 3, 0.6
    )
    if not near:
        return "See all: python -c 'import timm; print(*timm.list_pretrained())'"
    ordered = difflib.get_close_matches(name.lower(), near, 3, 0.0)
    return f"Did you mean {' or '.join(f'timm/{found}' for found in ordered)}?"
