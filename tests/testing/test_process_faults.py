"""What a plugin does to the process, to stdout or against the seed fails the check that is about it, and no other."""

from __future__ import annotations

import pytest

from tlzoo.testing import PluginSuite, run
from tlzoo.testing.running import checks

SLOW = ("export", "portable", "without_torch", "needs_no_torch", "heavy_library")
"""Parts of the names of checks that export, or start a process of their own."""
CHEAP = [name for name in checks(PluginSuite) if not any(part in name for part in SLOW)]
FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "a default dtype": (
        "test_it_leaves_the_process_as_it_was",
        {"built": "torch.set_default_dtype(torch.float64)"},
    ),
    "another working directory": (
        "test_it_leaves_the_process_as_it_was",
        {"last": "__import__('os').chdir('/') or self.last(x)"},
    ),
    "a filter of warnings in forward": (
        "test_it_leaves_the_process_as_it_was",
        {"first": "__import__('warnings').simplefilter('once') or self.norm(torch.relu(self.first(x)))"},
    ),
    "a print in the hook": ("test_it_prints_nothing_to_stdout", {"built": "print('built')"}),
    "a print in the network": ("test_it_prints_nothing_to_stdout", {"last": "print('here') or self.last(x)"}),
    "bytes to the descriptor of stdout": (
        "test_it_prints_nothing_to_stdout",
        {"last": "__import__('os').write(1, b'here') and self.last(x)"},
    ),
    "an exit in training": (
        "test_it_does_not_end_the_program",
        {"last": "__import__('sys').exit() if self.training and len(x) == 3 else self.last(x)"},
    ),
    "weights from the clock": (
        "test_the_same_seed_gives_the_same_bits",
        {
            "built": "nn.init.normal_(module.first.weight, generator=torch.Generator().manual_seed(time.time_ns()))",
            "top": "import time",
        },
    ),
    "weights from an unseeded generator": (
        "test_the_same_seed_gives_the_same_bits",
        {
            "built": "module.last.bias.data += torch.from_numpy(np.random.default_rng().random(8, np.float32))",
            "top": "import numpy as np",
        },
    ),
    "dropout of its own generator": (
        "test_the_same_seed_gives_the_same_bits",
        {
            "last": "self.last(x * (torch.rand(x.shape, generator=drawn) > 0.5) if self.training else x)",
            "built": "drawn = torch.Generator(); drawn.seed()",
        },
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_check_and_no_other(tiny, fault):
    check, wrong = FAULTS[fault]
    found = {result.name: result.message for result in run(tiny(**wrong), CHEAP) if not result.passed}
    assert [check] == list(found), found
    assert len(found[check]) > 20
