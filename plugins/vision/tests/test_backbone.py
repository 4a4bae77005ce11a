import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from tlzoo_vision.backbone import build, load_classifier
from tlzoo_vision.stages import stages
from torch import nn

from tlzoo import Backbone, Weights
from tlzoo.errors import PluginError, SourceError
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile
from tlzoo.specs import AudioSpec, ImageSpec

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NOWHERE = FileSource(files=(LocalFile(path="weights", sha256="0" * 64, size=1),))
SMALL = {"test_vit": 64, "test_resnet": 96, "test_convnext": 64, "test_efficientnet": 256, "test_vit2": 64}


def entry(architecture: str, feature_dim: int, pixels: int = 160, **changes) -> Checkpoint:
    spec = ImageSpec(size=(pixels, pixels), mean=MEAN, std=STD)
    facts = {
        "id": "vision/small",
        "architecture": architecture,
        "source": NOWHERE,
        "tasks": ("image-classification",),
        "parameters": 1,
        "feature_dim": feature_dim,
        "preprocess": spec,
    }
    return Checkpoint(**(facts | changes))


def stored(folder: Path, state: dict, name: str = "model.safetensors") -> Weights:
    path = folder / name
    if name.endswith(".safetensors"):
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return Weights(folder, {name: path})


def pinned(weights: Weights) -> FileSource:
    """A source that pins these files as they are."""
    files = [(path, path.read_bytes()) for path in weights.files.values()]
    pins = [LocalFile(path=str(path), sha256=sha256(content).hexdigest(), size=len(content)) for path, content in files]
    return FileSource(files=tuple(pins))


def owners(backbone: Backbone, name: str) -> list[str]:
    return [stage.name for stage in backbone.stages if stage.owns(name)]


@pytest.fixture(scope="module")
def resnet() -> torch.nn.Module:
    torch.manual_seed(1)
    return timm.create_model("test_resnet").eval()


@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_stages_cover_every_parameter_and_buffer_once(architecture):
    backbone = build(entry(architecture, SMALL[architecture]), None, "vector")
    module = backbone.module
    names = [name for name, _ in [*module.named_parameters(), *module.named_buffers()]]
    assert [name for name in names if len(owners(backbone, name)) != 1] == []
    assert backbone.stages[0].name == "stem"
    assert len({stage.name for stage in backbone.stages}) == len(backbone.stages) >= 5


def test_stages_run_from_input_to_output():
    backbone = build(entry("test_vit", 64), None, "vector")
    assert [stage.name for stage in backbone.stages] == ["stem", *(f"blocks.{n}" for n in range(6)), "norm"]


def test_relative_position_tables_belong_to_their_blocks():
    backbone = build(entry("swin_tiny_patch4_window7_224", 768, 224), None, "vector")
    assert owners(backbone, "net.layers.2.blocks.1.attn.relative_position_index") == ["layers.2"]
    assert owners(backbone, "net.layers.0.blocks.1.attn_mask") == ["layers.0"]


@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_vectors_and_maps_have_the_shapes_promised(architecture):
    vector = build(entry(architecture, SMALL[architecture]), None, "vector")
    grid = build(entry(architecture, SMALL[architecture]), None, "map")
    images = vector.example_inputs["image"]
    assert (images.dtype, images.shape) == (torch.uint8, (2, 160, 160, 3))
    with torch.no_grad():
        assert vector.module(images).shape == (2, vector.feature_dim)
        found = grid.module(images)
    assert found.shape[:2] == (2, grid.feature_dim)
    assert found.ndim == 4
    assert not any(module.training for module in vector.module.modules())


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("poolformer_s12", ["stem", *(f"stages.{n}" for n in range(4)), "head"]),
        ("rdnet_tiny", ["stem", *(f"dense_stages.{n}" for n in range(7)), "head"]),
    ],
)
def test_where_timm_groups_no_layers_together_each_block_is_a_stage(architecture, expected):
    with torch.device("meta"):
        net = timm.create_model(architecture, num_classes=0)
    assert [stage.name for stage in stages(nn.ModuleDict({"net": net}), net, "net")] == expected


def test_the_map_of_a_vision_transformer_is_its_patches_in_place():
    torch.manual_seed(0)
    module = build(entry("test_vit", 64), None, "map").module
    images = torch.randint(0, 256, (1, 160, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        tokens = module.net.forward_features(((images / 255 - module.mean) / module.std).permute(0, 3, 1, 2))
        found = module(images)
    torch.testing.assert_close(found[0, :, 3, 7], tokens[0, 1 + 3 * 10 + 7])


def test_arithmetic_inside_the_module_equals_torchvisions_outside(resnet, tmp_path):
    from torchvision.transforms import v2

    module = load_classifier(entry("test_resnet", 96), stored(tmp_path, resnet.state_dict()))
    images = torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8)
    outside = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])(images.permute(0, 3, 1, 2))
    with torch.no_grad():
        torch.testing.assert_close(module(images), resnet(outside))


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
def test_weights_in_timms_names_are_loaded_without_their_classifier(resnet, tmp_path, name):
    weights = stored(tmp_path, resnet.state_dict(), name)
    module = build(entry("test_resnet", 96, source=pinned(weights)), weights, "vector").module
    found = module.net.state_dict()
    assert set(resnet.state_dict()) - set(found) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(resnet.state_dict()[key], value) for key, value in found.items())


def test_batch_norms_counters_may_be_missing(resnet, tmp_path):
    state = {key: value for key, value in resnet.state_dict().items() if "num_batches" not in key}
    build(entry("test_resnet", 96), stored(tmp_path, state), "vector")


def test_position_embeddings_follow_another_picture_size(tmp_path):
    net = timm.create_model("test_vit")
    smaller = entry("test_vit", 64, 96, config={"img_size": 96})
    module = build(smaller, stored(tmp_path, net.state_dict()), "vector").module
    assert module.net.pos_embed.shape == (1, 6 * 6 + 1, 64)


def test_tensors_under_other_names_are_mapped_in_order(resnet, tmp_path):
    state = {
        f"module_{number}.{key.rpartition('.')[2]}": value
        for number, (key, value) in enumerate(resnet.state_dict().items())
    }
    weights = stored(tmp_path, state, "model.pth")
    ordered = entry("test_resnet", 96, tags=("ordered-state-dict",), source=pinned(weights))
    module = build(ordered, weights, "vector").module
    assert all(torch.equal(resnet.state_dict()[key], value) for key, value in module.net.state_dict().items())
    with pytest.raises(SourceError, match=r"module_0\.weight"):
        build(entry("test_resnet", 96, source=pinned(weights)), weights, "vector")


def without(state: dict, key: str) -> dict:
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize("tags", [(), ("ordered-state-dict",)])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda state: without(state, "layer2.0.conv1.weight"), r"layer2\.0"),
        (lambda state: state | {"layer1.0.conv1.weight": torch.zeros(1)}, r"layer1\.0\.conv1\.weight"),
        (lambda state: without(state, "fc.bias") | {"extra.bias": torch.zeros(7)}, r"extra\.bias"),
    ],
)
def test_weights_that_do_not_fit_name_the_first_tensor(resnet, tmp_path, tags, change, named):
    weights = stored(tmp_path, change(resnet.state_dict()), "model.pth")
    with pytest.raises(SourceError, match=named):
        build(entry("test_resnet", 96, tags=tags, source=pinned(weights)), weights, "vector")


class Malice:
    def __reduce__(self):
        return (Path.write_text, (Path("pwned"), "code ran"))


def test_a_pickle_that_carries_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = stored(tmp_path, {"a": Malice()}, "model.pth")
    with pytest.raises(SourceError, match=r"model\.pth"):
        build(entry("test_resnet", 96, source=pinned(weights)), weights, "vector")
    assert not Path("pwned").exists()


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_a_torn_weight_file_is_named(resnet, tmp_path, name):
    weights = stored(tmp_path, resnet.state_dict(), name)
    weights.files[name].write_bytes(weights.files[name].read_bytes()[:5000])
    with pytest.raises(SourceError, match=name):
        build(entry("test_resnet", 96, source=pinned(weights)), weights, "vector")


def test_weights_without_a_weight_file_are_refused(tmp_path):
    with pytest.raises(PluginError, match=r"config\.json"):
        build(entry("test_resnet", 96), Weights(tmp_path, {"config.json": tmp_path / "config.json"}), "vector")


@pytest.mark.parametrize(
    ("checkpoint", "output", "named"),
    [
        (entry("resnet_of_dreams", 96), "vector", "resnet_of_dreams"),
        (entry("test_resnet", 97), "vector", "feature_dim 97"),
        (entry("test_resnet", 96), "sequence", "'sequence'"),
        (entry("test_resnet", 96, preprocess=AudioSpec(sample_rate=16000, seconds=1)), "vector", "'audio'"),
    ],
)
def test_an_entry_that_cannot_be_built_is_refused(checkpoint, output, named):
    with pytest.raises(PluginError, match=named) as caught:
        build(checkpoint, None, output)
    assert caught.value.hint


def test_random_weights_follow_torchs_seed():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build(entry("test_resnet", 96), None, "vector").module.net.layer1[0].conv1.weight)
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_importing_the_plugin_needs_neither_torch_nor_timm():
    code = "import sys, tlzoo_vision.plugin; print({'torch', 'timm', 'torchvision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
