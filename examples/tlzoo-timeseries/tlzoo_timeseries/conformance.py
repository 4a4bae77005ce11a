"""What `tlzoo plugins check timeseries` runs, and this distribution's own tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tlzoo.testing import PluginSuite


class Suite(PluginSuite):
    """The suite of the core, with series to train on and files that hold none."""

    plugin = "timeseries"
    weights = "fetch"

    def samples(self, folder: Path) -> Path:
        """Twelve slow and twelve fast waves, as CSV files in a folder per class."""
        random = np.random.default_rng(0)
        for label, waves in (("fast", 7), ("slow", 2)):
            (folder / label).mkdir()
            for number in range(12):
                time = np.linspace(0, 1, int(random.integers(40, 90)))
                wave = np.sin(2 * np.pi * (waves * time + random.random())) + 0.3 * random.standard_normal(len(time))
                np.savetxt(folder / label / f"{number:02}.csv", wave, header="level", comments="")
        return folder

    def broken(self, folder: Path) -> list[Any]:
        """Empty, missing, pickled, torn, of the wrong shape, with gaps and words."""
        folder.mkdir(exist_ok=True)
        texts = {"empty": "", "gap": "1\n\n2\nnan\n", "words": "a\n1\nb\n", "ragged": "1,2\n3\n", "wide": "1,2\n3,4\n"}
        for name, text in texts.items():
            (folder / f"{name}.csv").write_text(text)
        np.save(folder / "whole.npy", np.arange(50.0))
        (folder / "torn.npy").write_bytes((folder / "whole.npy").read_bytes()[:200])
        np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        files = [*(f"{name}.csv" for name in texts), "torn.npy", "pickled.npy", "missing.csv"]
        return [*(str(folder / file) for file in files), np.array([]), np.zeros((2, 2, 2)), [[1, 2], [3]], None]


class Forecasts(Suite):
    """The same for the task that this plugin adds."""

    task_name = "forecasting"

    def samples(self, folder: Path) -> Path:
        """Forty waves, each with the four values that follow it."""
        random = np.random.default_rng(0)
        rows = ["path,future"]
        for number in range(40):
            time, pace = np.arange(64.0), random.uniform(0.1, 0.5)
            wave = 5 + 2 * np.sin(pace * time + random.uniform(0, 6)) + 0.05 * random.standard_normal(64)
            np.savetxt(folder / f"{number}.csv", wave[:60], header="level", comments="")
            rows.append(f"{number}.csv," + " ".join(f"{value:.5f}" for value in wave[60:]))
        (folder / "waves.csv").write_text("\n".join(rows) + "\n")
        return folder / "waves.csv"
