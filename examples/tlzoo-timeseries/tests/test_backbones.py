"""The networks: what they are built from, what they compute, what they refuse."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import pytest
import torch
from tlzoo import registry
from tlzoo.errors import RegistryError, SourceError, UsageError
from tlzoo.plugin import ImageSpec, Weights, fetch

from tlzoo_timeseries import kernels, plugin
from tlzoo_timeseries.rocket import normalised

SMALL = registry.get("timeseries/rocket-50")


def built(checkpoint=SMALL, weights=None, **options):
    spec = checkpoint.preprocess
    spec = spec.model_copy(update={"options": {**spec.options, **options}})
    return plugin.load_backbone(checkpoint.model_copy(update={"preprocess": spec}), weights, "vector")


def test_the_kernels_made_anew_are_the_bytes_that_the_registry_pins():
    made = kernels.make_file()
    [pinned] = registry.get("timeseries/rocket-10000").source.files
    assert (pinned.sha256, pinned.size) == (hashlib.sha256(made).hexdigest(), len(made))
    assert made == resources.files("tlzoo_timeseries").joinpath(kernels.FILE).read_bytes()


def test_kernels_are_centred_and_spread_as_normal_numbers_are():
    weights = fetch(registry.get("timeseries/rocket-10000"))
    taps = torch.cat(
        [scale.weight.detach() for scale in built(registry.get("timeseries/rocket-10000"), weights).module.scales]
    )
    assert float(taps.mean(dim=2).abs().max()) == pytest.approx(0, abs=1e-6)
    assert float(taps.std()) == pytest.approx((8 / 9) ** 0.5, rel=0.01)
    assert float((taps.abs() > 2 * taps.std()).float().mean()) == pytest.approx(0.0455, abs=0.003)


def test_features_are_what_the_convolutions_written_out_give():
    module = built(weights=fetch(SMALL), length=40).module
    series = np.random.default_rng(0).standard_normal((2, 1, 40)).cumsum(axis=2)
    features = module(torch.from_numpy(series).float()).detach().numpy()
    still = (series - series.mean(axis=2, keepdims=True)) / series.std(axis=2, keepdims=True)
    row, each = still[1, 0], 10
    for scale, at in ((0, 3), (3, 7)):
        layer = module.scales[scale]
        taps, dilation = layer.weight[at, 0].detach().numpy(), layer.dilation
        padded = np.pad(row * float(layer.channels[at, 0]), 4 * dilation)
        answers = np.array([sum(taps[k] * padded[t + k * dilation] for k in range(9)) for t in range(40)])
        answers += layer.bias[at].item()
        assert features[1, scale * each + at] == pytest.approx(max(answers), rel=1e-4)
        share = np.mean(1 / (1 + np.exp(-8 * answers)))
        assert features[1, 50 + scale * each + at] == pytest.approx(share, abs=1e-3)


def test_a_series_in_another_unit_has_the_same_features():
    module = built(weights=fetch(SMALL)).module
    series = torch.randn(3, 1, 128, generator=torch.manual_seed(0)).cumsum(dim=2)
    torch.testing.assert_close(module(series), module(1000 * series - 50), rtol=1e-3, atol=1e-3)


def test_a_channel_that_stands_still_becomes_zero():
    still = normalised(torch.tensor([0.0, 1e-20, 7.3, 1e20]).reshape(4, 1, 1).repeat(1, 1, 50))
    assert float(still.abs().max()) < 0.1
    assert bool(torch.isfinite(still).all())


def test_every_kernel_reads_a_channel_and_their_power_does_not_grow_with_channels():
    for channels in (1, 2, 6, 16):
        module = built(weights=fetch(SMALL), channels=channels).module
        for scale in module.scales:
            torch.testing.assert_close(scale.channels.square().sum(dim=1), torch.ones(10))


def test_a_smaller_checkpoint_is_the_beginning_of_a_larger():
    small, large = (built(registry.get(f"timeseries/rocket-{count}"), fetch(SMALL)) for count in (50, 100))
    for ours, theirs in zip(small.module.scales, large.module.scales, strict=True):
        assert torch.equal(ours.weight, theirs.weight[:10])


@pytest.mark.parametrize("count", [3, 10_005])
def test_a_number_of_kernels_that_the_file_cannot_give_is_refused(count: int):
    with pytest.raises(UsageError, match=str(count)):
        plugin.resolve_checkpoint(f"timeseries/rocket-{count}", None)


@pytest.mark.parametrize("id", ["timeseries/other", "timeseries/rocket-", "timeseries/rocket-0", "vision/rocket-50"])
def test_another_id_is_not_ours(id: str):
    assert plugin.resolve_checkpoint(id, None) is None


def test_what_is_another_plugins_is_declined():
    picture = ImageSpec(kind="image", size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    assert plugin.make_preprocessor(picture) is None
    assert plugin.load_backbone(SMALL.model_copy(update={"preprocess": picture}), None, "vector") is None
    assert plugin.load_backbone(SMALL.model_copy(update={"architecture": "resnet18"}), None, "vector") is None


def test_an_entry_that_contradicts_its_network_is_refused():
    with pytest.raises(RegistryError, match="feature_dim"):
        built(SMALL.model_copy(update={"feature_dim": 7}))
    with pytest.raises(RegistryError, match="kernels"):
        built(SMALL.model_copy(update={"config": {"kernels": 7}}))
    with pytest.raises(UsageError, match="sequence"):
        plugin.load_backbone(SMALL, None, "sequence")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    (tmp_path / "y.safetensors").write_bytes(b"torn")
    for name in ("x", "y"):
        file = f"{name}.safetensors"
        with pytest.raises(SourceError, match="rocket-50"):
            built(weights=Weights(tmp_path, {file: tmp_path / file}))


def test_the_pretrained_encoder_gives_what_its_authors_code_gives():
    module = built(registry.get("timeseries/fracast-0"), fetch(registry.get("timeseries/fracast-0")), length=200).module
    time = torch.arange(200)
    rows = torch.stack([torch.sin(time / 7) + time / 100, (time * time % 17).float()])
    # of fracast 0.1.0's FracastCore in fp32 on these rows, with a periodogram that finds no period
    expected = torch.tensor([[0.5340, 0.0354, -0.0550, 0.8107], [-0.4985, -0.1485, 0.0437, -0.4555]])
    torch.testing.assert_close(module.states(rows)[:, -1, :4], expected, rtol=0, atol=1e-4)


def test_the_pretrained_encoder_sees_no_more_than_it_was_trained_on():
    with pytest.raises(UsageError, match="2048"):
        built(registry.get("timeseries/fracast-0"), length=2049)
