"""What holds for every test, the core's and the plugins': workers side by side get one thread each."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = [
    "shared_fixtures.duo_plugin",
    "shared_fixtures.prepared",
    "shared_fixtures.servers",
    "shared_fixtures.two_outputs",
]
