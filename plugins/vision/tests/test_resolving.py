"""timm's names, and hub repositories of timm and of transformers, become entries from their own configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg
from tlzoo_vision.geometry import spec_of
from tlzoo_vision.plugin import load_backbone, resolve_checkpoint
from transformers import AutoConfig, AutoModel, CLIPModel

from tlzoo import Repository, Weights
from tlzoo.errors import PluginError, RegistryError, SourceError, UnknownCheckpoint
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 37}
TINY: dict[str, dict[str, Any]] = {
    "vit": {**VIT, "image_size": 64},
    "beit": {**VIT, "image_size": 64},
    "dinov2_with_registers": {**VIT, "image_size": 64, "patch_size": 16},
    "swin": {"image_size": 64, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "poolformer": {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]},
}
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
PROCESSOR = {"size": {"height": 64, "width": 64}, "resample": 3, "image_mean": list(MEAN), "image_std": list(STD)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where names of timm are remembered: nothing yet."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def repository(documents: dict[str, Any], *files: str) -> Repository:
    sizes = dict.fromkeys((*documents, *files), 10)
    sha256 = dict.fromkeys(files, "0" * 64)
    return Repository("tiny/net", "a" * 40, sizes, sha256, documents, "MIT", (), ("arxiv:1.2", "dataset:d"))


def saved(model: Any, folder: Path) -> tuple[Repository, Weights]:
    """What a hub would hold of a model of transformers."""
    model.save_pretrained(folder)
    documents = {"config.json": json.loads((folder / "config.json").read_text()), "preprocessor_config.json": PROCESSOR}
    return repository(documents, "model.safetensors"), Weights(
        folder, {"model.safetensors": folder / "model.safetensors"}
    )


def resolved(given: Repository) -> Checkpoint:
    found = resolve_checkpoint("hf/tiny/net", given)
    assert found is not None
    return found


def test_a_name_of_timm_says_what_timms_configuration_says():
    found = resolve_checkpoint("timm/test_vit.r160_in1k", None)
    net = timm.create_model("test_vit.r160_in1k", num_classes=0)
    said = get_pretrained_cfg("test_vit.r160_in1k")
    assert found is not None
    assert (found.plugin, found.source.repo, found.license) == ("vision", said.hf_hub_id, "Apache-2.0")
    assert found.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert found.parameters == sum(stage.parameters for stage in found.stages)
    assert (found.feature_dim, found.preprocess.size) == (net.num_features, said.input_size[1:])
    assert (found.preprocess.mean, found.preprocess.crop) == (said.mean, said.crop_pct)


def test_without_a_tag_it_is_timms_default_one():
    found = resolve_checkpoint("timm/test_resnet", None)
    assert found is not None
    assert found.source.repo == get_pretrained_cfg("test_resnet").hf_hub_id


@pytest.mark.parametrize("name", ["resnet50.nope", "resnet5O", "nothing-like-it", "a/b", "resnet50."])
def test_a_name_that_timm_does_not_have_is_unknown(name: str):
    with pytest.raises(UnknownCheckpoint) as caught:
        resolve_checkpoint(f"timm/{name}", None)
    assert caught.value.hint
    assert ("timm/resnet50" in caught.value.hint) == name.startswith("resnet5")


def test_weights_that_are_no_safetensors_of_a_hub_are_refused():
    with pytest.raises(RegistryError, match=r"gcvit.*\.pth"):
        resolve_checkpoint("timm/gcvit_tiny.in1k", None)


def test_a_repository_of_timm_is_read_from_its_own_configuration(tmp_path: Path):
    torch.manual_seed(0)
    net = timm.create_model("test_vit", img_size=96, num_classes=5)
    said = {"input_size": [3, 96, 96], "fixed_input_size": True, "mean": MEAN, "std": STD, "crop_pct": 0.9}
    document = {"architecture": "test_vit", "num_classes": 5, "pretrained_cfg": {**said, "num_classes": 5}}
    found = resolved(repository({"config.json": document}, "model.safetensors"))
    assert (found.preprocess.size, found.preprocess.mean, found.license) == ((96, 96), MEAN, "MIT")
    assert (found.paper, found.pretrained_on) == ("https://arxiv.org/abs/1.2", ("d",))
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    weights = Weights(tmp_path, {"model.safetensors": tmp_path / "model.safetensors"})
    backbone = load_backbone(found, weights, "vector")
    net.eval().reset_classifier(0)
    images = backbone.example_inputs["image"]
    arithmetic = (images / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        torch.testing.assert_close(backbone.module(images), net(arithmetic.permute(0, 3, 1, 2)))


def of_timm(**said: Any) -> Repository:
    given = {"input_size": [3, 96, 96], "fixed_input_size": True, "mean": MEAN, "std": STD, **said}
    document = {"architecture": "test_vit", "num_classes": 5, "pretrained_cfg": given}
    return repository({"config.json": document}, "model.safetensors")


@pytest.mark.parametrize("said", [{"input_size": [1, 96, 96]}, {"mean": [0.5]}, {"std": [0.2]}])
def test_a_network_for_pictures_without_three_channels_is_refused(said: dict[str, Any]):
    with pytest.raises(RegistryError, match=r"hf/tiny/net takes pictures with 1 channels; tlzoo supports 3\."):
        resolved(of_timm(**said))


@pytest.mark.parametrize(("timms", "own"), [("bilinear", "bilinear"), ("nearest", "nearest"), ("random", "bicubic")])
def test_an_interpolation_that_timm_draws_is_bicubic(timms: str, own: str):
    assert resolved(of_timm(interpolation=timms)).preprocess.interpolation == own


@pytest.mark.parametrize("family", TINY)
def test_a_vision_model_of_transformers_gives_vectors_maps_and_stages(family: str, tmp_path: Path):
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(family, **TINY[family]))
    given, weights = saved(model, tmp_path)
    found = resolved(given)
    backbone = load_backbone(found, weights, "vector")
    parameters = dict(backbone.module.named_parameters())
    assert found.parameters == sum(parameter.numel() for parameter in parameters.values())
    assert [stage.name for stage in found.stages] == [stage.name for stage in backbone.stages]
    for name in (*parameters, *dict(backbone.module.named_buffers())):
        assert sum(stage.owns(name) for stage in backbone.stages) == 1, name
    images = backbone.example_inputs["image"]
    with torch.no_grad():
        assert tuple(backbone.module(images).shape) == (2, found.feature_dim)
        features = load_backbone(found, weights, "map").module(images)
    assert (features.ndim, features.shape[1]) == (4, found.feature_dim)


def test_weights_that_are_damaged_or_of_another_size_are_errors_of_the_source(tmp_path: Path):
    given, weights = saved(AutoModel.from_config(AutoConfig.for_model("convnext", **TINY["convnext"])), tmp_path)
    found = resolved(given)
    wider = found.model_copy(update={"config": found.config | {"hidden_sizes": [8, 24]}})
    with pytest.raises(SourceError, match=r"hf/tiny/net.* wrong shape .*stages\.1"):
        load_backbone(wider, weights, "vector")
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"hf/tiny/net.* cannot be loaded") as caught:
        load_backbone(found, weights, "vector")
    assert "tlzoo pull hf/tiny/net" in caught.value.hint


def test_a_pickle_of_weights_is_read_where_it_is_pinned_alone(tmp_path: Path):
    model = AutoModel.from_config(AutoConfig.for_model("convnext", **TINY["convnext"]))
    given, _ = saved(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    file = tmp_path / "pytorch_model.bin"
    torch.save(model.state_dict(), file)
    weights = Weights(tmp_path, {file.name: file})
    with pytest.raises(SourceError, match="without a pinned sha256"):
        load_backbone(resolved(given), weights, "vector")
    pin = LocalFile(path=file.name, sha256=sha256(file.read_bytes()).hexdigest(), size=file.stat().st_size)
    backbone = load_backbone(resolved(given).model_copy(update={"source": FileSource(files=(pin,))}), weights, "vector")
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in backbone.module.net.state_dict().items())


def test_a_stage_changes_nothing_before_it(tmp_path: Path):
    torch.manual_seed(0)
    given, weights = saved(AutoModel.from_config(AutoConfig.for_model("poolformer", **TINY["poolformer"])), tmp_path)
    backbone = load_backbone(resolved(given), weights, "vector")
    images = backbone.example_inputs["image"]
    seen: list[torch.Tensor] = []
    first = backbone.module.net.encoder.block[1]
    first[-1].register_forward_hook(lambda module, given, output: seen.append(output[0]))
    late = [stage for stage in backbone.stages if stage.name.endswith((".2", ".3"))]
    with torch.no_grad():
        before = backbone.module(images)
        for name, parameter in backbone.module.named_parameters():
            if any(stage.owns(name) for stage in late):
                parameter += 1
        after = backbone.module(images)
    assert len(late) == len(seen) == 2
    assert torch.equal(*seen)
    assert not torch.equal(before, after)


def test_of_clip_the_half_that_sees_is_used(tmp_path: Path):
    torch.manual_seed(0)
    tower = {**VIT, "image_size": 64, "patch_size": 16}
    words = {**VIT, "vocab_size": 99, "projection_dim": 16}
    model = CLIPModel(AutoConfig.for_model("clip", vision_config=tower, text_config=words)).eval()
    given, weights = saved(model, tmp_path)
    found = resolved(given)
    backbone = load_backbone(found, weights, "vector")
    images = backbone.example_inputs["image"]
    pixels = ((images / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)
    with torch.no_grad():
        torch.testing.assert_close(backbone.module(images), model.vision_model(pixels).pooler_output)


@pytest.mark.parametrize(
    ("processor", "size", "crop"),
    [
        ({"size": {"height": 64, "width": 64}}, (64, 64), 1.0),
        ({"size": 64}, (64, 64), 1.0),
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
            (224, 224),
            0.875,
        ),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 224), 0.875),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384), 1.0),
    ],
)
def test_an_image_processors_geometry(processor: dict[str, Any], size: tuple[int, int], crop: float):
    spec = spec_of("x", {**processor, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]})
    assert (spec.size, spec.crop) == (size, pytest.approx(crop))


def test_every_resized_side_comes_out_as_the_processor_says():
    for kept in (112, 224, 299, 384):
        for side in range(kept, kept + 80):
            processor = {"size": {"shortest_edge": side}, "do_center_crop": True, "crop_size": kept}
            assert int(kept / spec_of("x", processor).crop) == side


def test_any_rescaling_is_said_on_the_scale_from_0_to_1():
    processor = {"size": 64, "rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}
    spec = spec_of("x", processor)
    assert (spec.mean, spec.std) == ((0.5,) * 3, (0.5,) * 3)
    raw = spec_of("x", {"size": 64, "do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51] * 3})
    assert (raw.mean, raw.std) == ((0.5,) * 3, (0.2,) * 3)


@pytest.mark.parametrize(
    ("document", "processor", "cause"),
    [
        ({"model_type": "siglip2"}, {}, "patches"),
        ({"model_type": "vit", **VIT}, {"do_flip_channel_order": True}, "BGR"),
        ({"model_type": "vit", **VIT}, {"size": {"longest_edge": 9}}, "longest_edge"),
        ({"model_type": "vit", **VIT, "image_size": 32}, {}, "32"),
        ({"model_type": "vit", **VIT, "quantization_config": {}}, {}, "quantised"),
        ({"architecture": "no_such", "pretrained_cfg": {}}, {}, "no_such"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    document: dict[str, Any], processor: dict[str, Any], cause: str
):
    documents = {"config.json": document, "preprocessor_config.json": {**PROCESSOR, **processor}}
    with pytest.raises(RegistryError, match=cause) as caught:
        resolve_checkpoint("hf/tiny/net", repository(documents, "model.safetensors"))
    assert caught.value.hint


def test_a_repository_without_weights_that_can_be_read_is_refused():
    documents = {"config.json": {"model_type": "vit", **VIT, "image_size": 64}, "preprocessor_config.json": PROCESSOR}
    with pytest.raises(RegistryError, match="weights"):
        resolve_checkpoint("hf/tiny/net", repository(documents, "tf_model.h5"))


@pytest.mark.parametrize("kind", ["bert", "whisper", "no-such"])
def test_what_does_not_see_is_left_to_others(kind: str):
    documents = {"config.json": {"model_type": kind}, "preprocessor_config.json": {}}
    assert resolve_checkpoint("hf/tiny/net", repository(documents)) is None
    assert resolve_checkpoint("vision/other", None) is None


def test_what_timm_squashes_is_cropped_as_much():
    found = resolve_checkpoint("timm/dm_nfnet_f0.dm_in1k", None)
    said = get_pretrained_cfg("dm_nfnet_f0.dm_in1k")
    assert found is not None
    assert found.tags == ("squash",)
    assert found.preprocess.crop == said.crop_pct == 0.9


def test_of_what_timm_pads_all_around_the_whole_middle_is_taken():
    found = resolve_checkpoint("timm/volo_d5_512.sail_in1k", None)
    assert get_pretrained_cfg("volo_d5_512.sail_in1k").crop_pct == 1.15
    assert found is not None
    assert (found.tags, found.preprocess.crop) == (("border",), 1.0)


@pytest.mark.parametrize("said", [{"crop_pct": 0}, {"input_size": [3, 0, 96]}, {"input_size": [3, 96, 9999]}])
def test_a_preprocessing_that_cannot_be_is_refused_with_its_field(said: dict[str, Any]):
    with pytest.raises(RegistryError, match=r"hf/tiny/net states a preprocessing that cannot be: (crop|size): "):
        resolved(of_timm(**said))


def test_a_network_that_timm_does_not_group_is_cut_by_its_modules_and_blocks():
    found = resolve_checkpoint("timm/csatv2", None)
    assert found is not None
    assert [stage.name for stage in found.stages] == ["stem", *(f"stages.{n}" for n in range(4)), "head"]
    assert sum(stage.parameters for stage in found.stages) == found.parameters


@pytest.mark.parametrize(
    ("name", "near"), [("resnetXX", "timm/resnet"), ("RESNET50.a1_in1k", "timm/resnet50.a1_in1k"), ("dpn48b", "dpn68b")]
)
def test_a_name_that_timm_has_no_weights_of_is_answered_with_near_ones(name: str, near: str):
    with pytest.raises(UnknownCheckpoint, match=name) as caught:
        resolve_checkpoint(f"timm/{name}", None)
    assert near in caught.value.hint


def test_arguments_that_would_read_files_of_this_machine_are_refused(tmp_path: Path):
    found = resolve_checkpoint("timm/test_vit.r160_in1k", None)
    assert found is not None
    entry = found.model_copy(update={"config": {"checkpoint_path": str(tmp_path / "x.pth")}})
    with pytest.raises(PluginError, match="checkpoint_path"):
        load_backbone(entry, None, "vector")


def test_a_name_of_timm_is_asked_once_and_then_imports_neither_torch_nor_timm():
    first = resolve_checkpoint("timm/test_vit.r160_in1k", None)
    again = (
        "import sys; from tlzoo_vision.plugin import resolve_checkpoint as ask;"
        "print(ask('timm/test_vit.r160_in1k', None).model_dump_json());"
        "assert not {'torch', 'timm'} & sys.modules.keys()"
    )
    told = subprocess.run([sys.executable, "-c", again], capture_output=True, text=True, check=True, timeout=60)
    assert Checkpoint.model_validate_json(told.stdout) == first


def test_a_memory_that_is_torn_or_of_another_name_is_not_believed(cache: Path):
    first = resolve_checkpoint("timm/test_vit.r160_in1k", None)
    (memory,) = (cache / "resolved").iterdir()
    for content in (memory.read_text()[:50], memory.read_text().replace("timm/test_vit", "timm/test_vit2")):
        memory.write_text(content)
        assert resolve_checkpoint("timm/test_vit.r160_in1k", None) == first
