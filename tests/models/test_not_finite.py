"""Weights that are no numbers are refused when a backbone is loaded, buffers too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tlzoo import registry
from tlzoo.errors import RegistryError
from tlzoo.interfaces import Weights
from tlzoo.models.model import load_backbone


@pytest.mark.parametrize("name", ["bn1.running_var", "conv1.weight"])
def test_nan_is_named(zoo: Any, tmp_path: Path, name: str):
    folder = tmp_path / "resnet"
    shutil.copytree(zoo.folder / "weights" / "resnet", folder)
    state = load_file(folder / "model.safetensors")
    found = next(each for each in state if each.endswith(name.partition(".")[2]))
    state[found] = torch.full_like(state[found], torch.nan)
    save_file(state, folder / "model.safetensors")
    checkpoint = registry.get("vision/test-resnet")
    weights = Weights(folder, {"model.safetensors": folder / "model.safetensors"})
    with pytest.raises(RegistryError, match=rf"hold NaN or infinity in .*{found.rpartition('.')[2]}"):
        load_backbone(checkpoint, weights, "vector")
