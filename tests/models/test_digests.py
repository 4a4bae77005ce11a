"""SHA-256 of tensors: of dtype, shape and values, once for what is shared."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from tlzoo.models.digests import named_tensors, tensor_digests


def digest(text: str, values: bytes) -> str:
    return hashlib.sha256(text.encode() + values).hexdigest()


def test_a_digest_is_of_dtype_shape_and_values():
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = tensor_digests({"rows": rows, "turned": rows.T, "flat": rows.reshape(-1), "one": torch.tensor(7)})
    assert found == {
        "rows": digest("torch.float32 (2, 2) ", rows.numpy().tobytes()),
        "turned": digest("torch.float32 (2, 2) ", rows.numpy().T.tobytes()),
        "flat": digest("torch.float32 (4,) ", rows.numpy().tobytes()),
        "one": digest("torch.int64 () ", torch.tensor([7]).numpy().tobytes()),
    }
    assert len(set(found.values())) == 4


def test_types_that_numpy_lacks_and_tensors_without_values_have_one_too():
    values = torch.ones(2, dtype=torch.bfloat16)
    found = tensor_digests({"half": values, "none": torch.zeros(0), "learned": nn.Parameter(torch.ones(1))})
    assert found["half"] == digest("torch.bfloat16 (2,) ", bytes([0x80, 0x3F, 0x80, 0x3F]))
    assert found["none"] == digest("torch.float32 (0,) ", b"")
    assert found["learned"] == digest("torch.float32 (1,) ", torch.ones(1).numpy().tobytes())
    assert tensor_digests({}) == {}


def test_what_is_shared_has_each_of_its_names():
    model = nn.Module()
    model.first = nn.Linear(2, 1)
    model.second = nn.Linear(2, 1, bias=False)
    model.second.weight = model.first.weight
    model.norm = nn.BatchNorm1d(1, affine=False)
    model.register_buffer("again", model.norm.running_mean)
    found = named_tensors(model)
    norm = {f"norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert set(found) == {"first.weight", "first.bias", "second.weight", "again", *norm}
    assert found["first.weight"] is found["second.weight"]
    digests = tensor_digests(found)
    assert digests["first.weight"] == digests["second.weight"]
    assert digests["again"] == digests["norm.running_mean"] != digests["norm.running_var"]
