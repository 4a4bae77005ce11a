"""Every program of the docs that decodes pictures makes of odd ones what `tlzoo predict` makes of them."""

from __future__ import annotations

import base64
import functools
import json
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shared_fixtures.needs import CHROMIUM
from shared_fixtures.odd_pictures import RANGE, colour_png, encoded, odd_pictures, wide_pictures

from tlzoo.preprocess.image import load_image, resize_and_crop
from tlzoo.specs import ImageSpec

ROOT = Path(__file__).parents[2]
SPEC = ImageSpec(size=(24, 24), crop=0.9, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1))
PICTURES = odd_pictures() | wide_pictures()
DARK = {
    "dark-grey.png": wide_pictures()["twelve-bits.png"],
    "dark-colours.png": colour_png(np.full((9, 9, 3), 3000, np.uint16)),
}
SHARP = "sharp@0.34.5"
DUMP_JS = """
import { writeFile } from "node:fs/promises";
import { decode } from "./picture.mjs";
const found = {};
for (const [name, range] of JSON.parse(process.argv[2])) {
  try {
    const { data, width, height } = await decode(name, range);
    await writeFile(`${name}.rgb`, data);
    found[name] = [height, width];
  } catch (error) {
    found[name] = error.message;
  }
}
console.log(JSON.stringify(found));
"""
DUMP_CPP = """
#include <iostream>
#include "picture.hpp"
int main(int count, char** names) {
  const bool ranged = std::string(names[1]) == "range";
  for (int at = 2; at < count; at++) try {
      const auto range = std::pair<double, double>{LOW, HIGH};
      const auto read = ranged ? read_picture(names[at], range) : read_picture(names[at]);
      std::ofstream(names[at] + std::string(".rgb"), std::ios::binary)
          .write(reinterpret_cast<const char*>(read.pixels.data()), read.pixels.size());
      std::cout << read.height << " " << read.width << "\\n";
    } catch (const std::exception& error) {
      std::cout << error.what() << "\\n";
    }
}
"""


def block(document: str, language: str, holds: str) -> str:
    """The one program of a document in this language that holds these words."""
    text = (ROOT / document).read_text(encoding="utf-8")
    [found] = [code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if holds in code]
    return str(found)


def expected(name: str) -> np.ndarray:
    """What the runtime reads of a picture, its own size."""
    value_range = RANGE if name in wide_pictures() else None
    return np.asarray(load_image(PICTURES[name], name, value_range)).astype(int)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Session:
    """Stands for onnxruntime, whose part here is only to say what the file's manifest says and to take the pixels."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.custom_metadata_map = {"tlzoo.manifest": json.dumps(manifest)}
        self.given: Any = None

    def get_modelmeta(self) -> Session:
        return self

    def run(self, _: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.given = given["image"]
        return [np.zeros((1, 1), np.float32)]


def pixels_of(document: str, data: bytes, value_range: tuple[int, int] | None, tmp_path: Path, monkeypatch: Any) -> Any:
    """The pixels that a document's Python program hands to the session."""
    import onnxruntime

    name = str(tmp_path / "given")
    Path(name).write_bytes(data)
    spec = SPEC.model_copy(update={"value_range": value_range}).model_dump(mode="json")
    session = Session({"preprocess": spec, "labels": ["a"]})
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda _: session)
    exec(block(document, "python", "InferenceSession").replace("a.jpg", name), {})
    return session.given[0].astype(int)


@pytest.mark.parametrize("name", sorted(PICTURES))
@pytest.mark.parametrize("document", ["README.md", "README.id.md", "docs/languages.md"])
def test_plain_python(document: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    value_range = RANGE if name in wide_pictures() else None
    found = pixels_of(document, PICTURES[name], value_range, tmp_path, monkeypatch)
    whole = Image.fromarray(expected(name).astype(np.uint8))
    right = whole if document.startswith("docs") else resize_and_crop(whole, SPEC)
    assert np.abs(found - np.asarray(right).astype(int)).max() == 0


@pytest.mark.parametrize("size", [(24, 24), (24, 40), (33, 21)])
@pytest.mark.parametrize("given", [(50, 77), (77, 50), (300, 20), (24, 24)])
def test_the_readme_s_geometry(
    size: tuple[int, int], given: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spec = SPEC.model_copy(update={"size": size})
    monkeypatch.setitem(globals(), "SPEC", spec)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*given, 3), dtype=np.uint8))
    found = pixels_of("README.md", encoded(picture, "PNG"), None, tmp_path, monkeypatch)
    np.testing.assert_array_equal(found, np.asarray(resize_and_crop(picture, spec)))


@pytest.mark.parametrize("name", sorted(DARK))
@pytest.mark.parametrize("document", ["README.md", "docs/languages.md"])
def test_plain_python_refuses_what_would_be_black(
    document: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(SystemExit, match="12 or fewer"):
        pixels_of(document, DARK[name], None, tmp_path, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All pictures in one folder."""
    for name, data in (PICTURES | DARK).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def within(folder: Path, name: str, size: tuple[int, int], levels: int) -> bool:
    """Whether what a program wrote is what is expected, but for so many of 255 levels."""
    found = np.frombuffer((folder / f"{name}.rgb").read_bytes(), np.uint8).reshape(*size, 3).astype(int)
    right = expected(name)
    return found.shape == right.shape and int(np.abs(found - right).max()) <= levels


@pytest.mark.release
@pytest.mark.needs("node", "npm")
def test_javascript_in_node(folder: Path):
    subprocess.run(["npm", "install", "--silent", "--no-audit", SHARP], cwd=folder, check=True, timeout=300)
    (folder / "picture.mjs").write_text(block("docs/languages.md", "js", "// picture.mjs"))
    (folder / "dump.mjs").write_text(DUMP_JS)
    asked = [(name, RANGE if name in wide_pictures() else None) for name in (*PICTURES, *DARK)]
    done = subprocess.run(
        ["node", "dump.mjs", json.dumps(asked)], cwd=folder, capture_output=True, text=True, check=True, timeout=120
    )
    found = json.loads(done.stdout)
    refused = {name: said for name, said in found.items() if isinstance(said, str)}
    assert sorted(refused) == sorted({"four-colours.jpg", "grey-16-hole.png", "plain.bmp", *DARK}), refused
    assert all("12 or fewer" in refused[name] for name in DARK)
    assert "four colours" in refused["four-colours.jpg"]
    assert [name for name in set(PICTURES) - set(refused) if not within(folder, name, found[name], 1)] == []


SEEN_JS = """
export const open = async () => ({ labels: [], range: window.range });
export async function classify(_, __, pixels, width, height) {
  window.seen = { size: [height, width], pixels: btoa(String.fromCharCode(...pixels)) };
  return [{ label: "", score: 0 }];
}
"""


@pytest.mark.release
@pytest.mark.needs("chromium")
def test_javascript_in_the_browser(folder: Path):
    from playwright.sync_api import sync_playwright

    page_of = block("docs/languages.md", "html", "createImageBitmap")
    for name, content in (
        ("index.html", page_of),
        ("tlzoo.mjs", SEEN_JS),
        ("ort.wasm.min.mjs", ""),
        ("photos.onnx", ""),
    ):
        (folder / name).write_text(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    different, refused = [], []
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.on("pageerror", lambda error: refused.append(str(error)))
        page.wait_for_function("document.querySelector('#file').onchange !== null")
        for name in odd_pictures():
            page.evaluate("window.seen = null")
            page.set_input_files("#file", folder / name)
            page.wait_for_function("window.seen !== null")
            (folder / f"{name}.rgb").write_bytes(base64.b64decode(page.evaluate("window.seen.pixels")))
            if not within(folder, name, page.evaluate("window.seen.size"), 1):
                different.append(name)
        assert (different, refused) == ([], [])
        page.add_init_script("window.range = [0, 4095]")
        page.reload()
        page.wait_for_function("document.querySelector('#file').onchange !== null")
        with page.expect_event("pageerror") as error:
            page.set_input_files("#file", folder / "twelve-bits.png")
        assert "PNG of 16 bits" in str(error.value)
    server.shutdown()


@pytest.mark.release
@pytest.mark.needs("g++", "stb")
def test_c_plus_plus(folder: Path):
    (folder / "picture.hpp").write_text(block("docs/languages.md", "cpp", "// picture.hpp"))
    (folder / "dump.cpp").write_text(DUMP_CPP.replace("LOW", str(RANGE[0])).replace("HIGH", str(RANGE[1])))
    compiler = shutil.which("g++")
    assert compiler
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wno-unused-but-set-variable"]
    built = subprocess.run(
        [compiler, *flags, "dump.cpp", "-o", "dump"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stderr
    found: dict[str, str] = {}
    for ranged, names in (("range", [*wide_pictures()]), ("plain", [*odd_pictures(), *DARK])):
        done = subprocess.run(
            ["./dump", ranged, *names], cwd=folder, capture_output=True, text=True, check=True, timeout=120
        )
        found |= dict(zip(names, done.stdout.splitlines(), strict=True))
    refused = {name: said for name, said in found.items() if not re.fullmatch(r"\d+ \d+", said)}
    assert sorted(refused) == sorted({"plain.webp", "icon.webp", *DARK}), refused
    assert all("12 or fewer" in refused[name] for name in DARK)
    different = [
        name
        for name in set(PICTURES) - set(refused)
        if not within(folder, name, tuple(map(int, found[name].split())), 4 if name.endswith("jpg") else 1)  # type: ignore[arg-type]
    ]
    assert different == []
