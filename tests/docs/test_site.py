"""The site is built without a warning, with no network, and holds what it promises."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tlzoo
from tlzoo import errors
from tlzoo.cli import COMMANDS
from tlzoo.plugins import hookspecs

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.release


class Text(HTMLParser):
    """The words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `just docs` builds it; a warning fails it."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return out


def words(page: Path) -> str:
    """What a reader sees of a page, blanks made one."""
    parser = Text()
    parser.feed(page.read_text(encoding="utf-8"))
    return " ".join("".join(parser.pieces).split())


def hooks() -> dict[str, inspect.Signature]:
    """Every hook specification's signature."""
    return {name: inspect.signature(hook) for name, hook in vars(hookspecs).items() if hasattr(hook, "tlzoo_spec")}


def test_every_page_is_in_the_site(site: Path):
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_the_generated_page_has_every_hook_with_its_arguments_in_their_order(site: Path):
    text = words(site / "reference" / "hooks.html")
    signatures = {
        name: f"{name}({', '.join(said.parameters)}) -> {said.return_annotation}" for name, said in hooks().items()
    }
    assert len(signatures) == 11
    assert {name for name, signature in signatures.items() if signature not in text} == set()


def test_the_examples_of_hooks_are_blocks_of_code(site: Path):
    page = (site / "reference" / "hooks.html").read_text(encoding="utf-8")
    assert page.count('class="highlight-pycon') == len(hooks())
    assert ">>> " in words(site / "reference" / "hooks.html")


def test_the_narrative_has_every_hook_with_its_arguments_in_their_order():
    table = re.findall(r"^\| `(\w+)\((.*?)\)` \|", (DOCS / "hooks.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {name: tuple(said.parameters) for name, said in hooks().items()} == {
        name: tuple(filter(None, arguments.split(", "))) for name, arguments in table
    }


def test_every_command_and_every_option_stands_in_the_reference(site: Path):
    text = words(site / "reference" / "commands.html")
    assert {name for name in COMMANDS if f"tlzoo {name}" not in text} == set()
    options = set()
    for module in (Path(tlzoo.__file__).parent / "cli").rglob("*.py"):
        options |= set(re.findall(r'"(--[a-z0-9-]+)"', module.read_text(encoding="utf-8")))
    parsed_by_hand = {"--debug", "--help", "--version"}
    assert {option for option in options - parsed_by_hand if option not in text} == set()


def test_every_error_stands_in_the_reference(site: Path):
    text = words(site / "reference" / "api.html")
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert {name for name in classes if name not in text} == set()


def test_every_public_name_stands_in_the_reference(site: Path):
    text = words(site / "reference" / "api.html")
    assert {name for name in tlzoo.__all__ if not name.startswith("_") and name not in text} == set()


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("registry-file", ("schema_version", "feature_dim", "sha256", "interpolation", "sample_rate")),
        ("onnx-file", ("kept_fp32", "calibration", "top1_agreement", "temperature")),
        ("lock-file", ("revision", "hub")),
        ("run-folder", ("interval", "heldout_fingerprint", "adapted")),
    ],
)
def test_the_fields_of_each_format_stand_in_its_page(site: Path, page: str, fields: tuple[str, ...]):
    text = words(site / "reference" / f"{page}.html")
    assert {field for field in fields if field not in text} == set()


def test_nothing_in_the_site_is_fetched_from_elsewhere(site: Path):
    pages = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]
    fetched = {
        address
        for page in pages
        for address in re.findall(r'<(?:script|img|link)\b[^>]*?(?:src|href)="(https?:[^"]+)"', page)
    }
    assert fetched == set()
