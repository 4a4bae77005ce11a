"""Make the table of timm's names in docs/reference/families.md again: which build, and why the others are refused.

python tools/timm_names.py              all of timm's modules; minutes
python tools/timm_names.py levit vgg    those of these modules alone
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from shared_fixtures import timm_names


def main() -> None:
    """Write the table after each module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--missing", action="store_true", help="only modules that have no row yet")
    given = parser.parse_args()
    found = {module: made for module, made in timm_names.read().items() if module in timm_names.modules()}
    asked = given.modules or [name for name in timm_names.modules() if not given.missing or name not in found]
    for module in asked:
        found[module] = timm_names.rows(module)
        timm_names.write(found)
        print(*found[module], sep="\n", flush=True)


if __name__ == "__main__":
    main()
