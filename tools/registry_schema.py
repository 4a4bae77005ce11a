"""Write registry.schema.json, the JSON Schema of registry files, from the classes that read them.

python tools/registry_schema.py            write it
python tools/registry_schema.py --check    exit 1 when it is not what would be written
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tlzoo.registry.schema import schema_document

SCHEMA = Path(__file__).resolve().parents[1] / "registry.schema.json"


def main() -> int:
    """Write or check the file; the exit status says whether it was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file differs")
    text = json.dumps(schema_document(), indent=1, ensure_ascii=False) + "\n"
    if not parser.parse_args().check:
        SCHEMA.write_text(text, "utf-8")
        return 0
    same = SCHEMA.is_file() and SCHEMA.read_text("utf-8") == text
    print(f"{SCHEMA.name} is up to date" if same else f"{SCHEMA.name} differs: run python tools/registry_schema.py")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
