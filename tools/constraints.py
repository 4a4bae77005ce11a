"""Pin every dependency in pyproject.toml, for all platforms and Pythons, so that a fresh clone resolves to the same.

    python tools/constraints.py             add what is missing, drop what is no longer needed
    python tools/constraints.py --upgrade   take the newest versions that go together
    python tools/constraints.py --check     exit 1 when something is not pinned, or pinned for nothing

Needs uv and a package index. What builds the wheels is pinned too.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "pyproject.toml"
RUN, BUILD = "constraint-dependencies", "build-constraint-dependencies"
BUILDERS = ("editables", "hatchling")


def main() -> int:
    """Write or check the pins; the exit status says whether they were as they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the pins would change")
    parser.add_argument("--upgrade", action="store_true", help="forget the pins first")
    given = parser.parse_args()
    before = PROJECT.read_text("utf-8")
    try:
        after = pinned(without_pins(before) if given.upgrade else before)
    except subprocess.CalledProcessError as error:
        print(error.stderr.strip(), "The pins do not resolve: python tools/constraints.py --upgrade", sep="\n")
        return 1
    if given.check:
        print("The pins are up to date" if before == after else "The pins differ: run python tools/constraints.py")
        return int(before != after)
    PROJECT.write_text(after, "utf-8")
    print(f"{after.count('==')} pins")
    return 0


def pinned(text: str) -> str:
    """pyproject.toml with every dependency pinned that its text resolves to."""
    builders = tomllib.loads(text)["tool"]["uv"].get(BUILD, [])
    return with_pins(with_pins(text, RUN, resolve(text)), BUILD, resolve_builders(builders))


def without_pins(text: str) -> str:
    """pyproject.toml with both lists emptied."""
    return with_pins(with_pins(text, RUN, []), BUILD, [])


def with_pins(text: str, name: str, pins: list[str]) -> str:
    """pyproject.toml with one list replaced; nothing else of it changes."""
    lines = "".join(f'  "{pin}",\n' for pin in pins)
    changed, found = re.subn(rf"^{name} = \[[^]]*\]$", lambda _: f"{name} = [\n{lines}]", text, flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"{PROJECT} has {found} lists {name}")
    return changed


def resolve(text: str) -> list[str]:
    """The whole workspace's dependencies, resolved for all platforms and Pythons at once."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder, "workspace")
        for member in ROOT.glob("plugins/*/pyproject.toml"):
            copy = workspace / member.relative_to(ROOT)
            copy.parent.mkdir(parents=True)
            shutil.copyfile(member, copy)
        (workspace / PROJECT.name).write_text(text, "utf-8")
        uv("lock", "--project", str(workspace))
        everything = ("--all-packages", "--all-extras", "--all-groups", "--no-emit-workspace", "--no-hashes")
        return requirements(uv("export", "--frozen", *everything, "--project", str(workspace)))


def resolve_builders(pins: list[str]) -> list[str]:
    """What uv needs to build the wheels and the editable installations."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, held = Path(folder, "wanted.txt"), Path(folder, "held.txt")
        wanted.write_text("\n".join(BUILDERS), "utf-8")
        held.write_text("\n".join(pins), "utf-8")
        options = ("--universal", "--python-version", "3.11", "--no-config", "--constraints", str(held))
        return requirements(uv("pip", "compile", *options, str(wanted)))


def requirements(text: str) -> list[str]:
    """Exact pins from requirement lines; a marker is kept only where a package needs two versions.

    A constraint on a package that a platform does not need changes nothing there, so the other markers say nothing.
    """
    lines = [line.strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    count = Counter(line.partition("==")[0] for line in lines)
    return sorted(line if count[line.partition("==")[0]] > 1 else line.partition(" ;")[0] for line in lines)


def uv(*arguments: str) -> str:
    """What uv prints; raises CalledProcessError with its words when it fails."""
    return subprocess.run(["uv", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
