"""Write the kernels' file while the distribution is built: weights are made, never committed."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "tlzoo_timeseries"


class KernelsHook(BuildHookInterface):
    """Puts the file into the wheel; into this folder only for an editable installation, which runs from here."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":  # an sdist carries the recipe
            return
        recipe = runpy.run_path(str(Path(self.root, PACKAGE, "kernels.py")))
        name: str = recipe["FILE"]
        if version == "editable":
            path = Path(self.root, PACKAGE, name)
        else:
            self._folder = tempfile.TemporaryDirectory()
            path = Path(self._folder.name, "kernels.safetensors")
            build_data["force_include"][str(path)] = f"{PACKAGE}/{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(recipe["make_file"]())

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.target_name == "wheel" and version != "editable":
            self._folder.cleanup()
