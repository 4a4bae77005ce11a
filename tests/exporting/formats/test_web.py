"""Format `web`, in a real browser: the page answers as the Python runtime does, and asks no other host."""

from __future__ import annotations

import base64
import functools
import io
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from PIL import Image, ImageDraw
from shared_fixtures.needs import CHROMIUM, missing
from shared_fixtures.sound_files import chirp
from shared_fixtures.sound_files import encoded as sound_file

import tlzoo
from tlzoo.artifact import seal
from tlzoo.errors import ExportError, Offline
from tlzoo.exporting.formats import web
from tlzoo.io.texts import LONE_SURROGATE
from tlzoo.preprocess.image import resize_and_crop
from tlzoo.specs import ImageSpec, PluginSpec
from tlzoo.tasks import CORE
from tlzoo.tasks.base import DecodeOptions

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
SCALE = 1e-4  # of the logits: two builds of ONNX Runtime, on equal arrays

in_a_browser = pytest.mark.needs("chromium", "npm")  # npm fetches onnxruntime-web


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


# Arrays travel as base64: playwright spells out every number by itself.
TRAVEL = """
window.bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
window.textOf = (array) => {
  let text = "";
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
"""


class Site:
    """One exported page, open in the browser, beside the Python runtime on the same file."""

    def __init__(self, page: Any, predictor: Any) -> None:
        self.page, self.predictor = page, predictor
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    def predict(self, given: bytes | str) -> dict[str, Any]:
        """What `tlzoo.predict` of the page answers."""
        answer: dict[str, Any] = self.page.evaluate(f"given => tlzoo.predict({_made(given)})", _sent(given))
        return answer

    def array(self, given: bytes | str, name: str) -> np.ndarray:
        """The array that the page's own preprocessing makes."""
        made = self.page.evaluate(
            f"""async ([given, name]) => {{
                const {{ type, dims, data }} = (await tlzoo.prepare({_made(given)}))[name];
                return {{ type, dims, data: textOf(data) }};
            }}""",
            [_sent(given), name],
        )
        return np.frombuffer(base64.b64decode(made["data"]), made["type"]).reshape(made["dims"])


def _sent(given: bytes | str) -> str:
    return base64.b64encode(given).decode() if isinstance(given, bytes) else json.dumps(given)  # keeps lone surrogates


def _made(given: bytes | str) -> str:
    return "new Blob([bytesOf(given)])" if isinstance(given, bytes) else "JSON.parse(given)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served."""
    folder = tmp_path_factory.mktemp("served")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def opened(browser: Any, served: tuple[Path, str], name: str, file: Path, **changes: Any) -> Site:
    """Write the page of an exported file, with its manifest changed like this and no seal then, and open it."""
    folder, address = served
    predictor, content = tlzoo.load(file), file.read_bytes()
    (folder / name).mkdir()
    if changes:
        changes, content = {**changes, "sealed": False}, content[: -seal.SIZE]
    try:
        web.write(folder / name, content, predictor.manifest.model_copy(update=changes))
    except Offline as problem:
        missing(str(problem))
    context = browser.new_context(permissions=["microphone"])
    context.add_init_script(TRAVEL)
    site = Site(context.new_page(), predictor)
    site.page.goto(f"{address}/{name}/")
    site.page.get_by_text("Ready.").wait_for()
    return site


@pytest.fixture(scope="module")
def picture_site(browser: Any, served: tuple[Path, str], picture_file: Any) -> Site:
    return opened(browser, served, "picture", picture_file.path)


@pytest.fixture(scope="module")
def text_site(browser: Any, served: tuple[Path, str], text_file: Any) -> Site:
    return opened(browser, served, "text", text_file.path)


@pytest.fixture(scope="module")
def recording_site(browser: Any, served: tuple[Path, str], recording_file: Any) -> Site:
    return opened(browser, served, "recording", recording_file.path)


@pytest.fixture(scope="module")
def tagged_site(browser: Any, served: tuple[Path, str], tagged_file: Any) -> Site:
    return opened(browser, served, "tagged", tagged_file.path)


def assert_same_answer(site: Site, given: Any, within: float = SCALE) -> None:
    read = LONE_SURROGATE.sub("\ufffd", given) if isinstance(given, str) else given  # a predictor refuses what is half
    expected = site.predictor.logits([read])[0]
    answer = site.predict(given)
    assert answer["logits"] == pytest.approx(expected.tolist(), abs=within * float(np.abs(expected).max()))
    assert answer["label"] == site.predictor.labels[int(expected.argmax())]
    [decoded] = site.predictor.predict([read])
    assert answer["scores"] == pytest.approx(decoded.scores, abs=1e-4 + within)
    assert answer["score"] == pytest.approx(decoded.score, abs=1e-4 + within)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def photo() -> Image.Image:
    """Smooth, so that it survives JPEG, and with an up and a down."""
    image = Image.linear_gradient("L").resize((150, 101)).convert("RGB")
    ImageDraw.Draw(image).rectangle((10, 5, 60, 40), fill=(200, 30, 60))
    return image


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(photo(), "JPEG", quality=92, exif=exif)


PICTURES = {
    "png": encoded(Image.fromarray(noise(90, 131)), "PNG"),
    "small png": encoded(Image.fromarray(noise(20, 31)), "PNG"),
    "tall png": encoded(Image.fromarray(noise(301, 75)), "PNG"),
    "grey png": encoded(Image.fromarray(noise(80, 70, 1)[:, :, 0]), "PNG"),
    "palette png": encoded(photo().quantize(20), "PNG"),
    "gif": encoded(photo().quantize(20), "GIF"),
    "bmp": encoded(photo(), "BMP"),
    "jpeg": encoded(photo(), "JPEG", quality=90),
    "grey jpeg": encoded(photo().convert("L"), "JPEG", quality=90),
    **{f"jpeg turned {way}": turned(way) for way in (2, 3, 5, 6, 8)},
    "four-colour jpeg": encoded(photo().convert("CMYK"), "JPEG", quality=90),
    "progressive jpeg": encoded(photo(), "JPEG", progressive=True, subsampling=2),
    "webp": encoded(photo(), "WEBP", quality=80),
    "lossless webp": encoded(photo(), "WEBP", lossless=True),
}
NEARLY = {
    "transparent png": encoded(Image.fromarray(noise(90, 131, 4)), "PNG"),
    "16-bit grey png": encoded(Image.fromarray(np.arange(0, 65536, 11, np.uint16)[:5000].reshape(50, 100)), "PNG"),
}


class TestPictures:
    pytestmark = in_a_browser

    @pytest.mark.parametrize("kind", PICTURES)
    def test_have_the_same_pixels_and_the_same_answer(self, picture_site: Site, kind: str):
        expected = picture_site.predictor.prepare([PICTURES[kind]])["image"]
        assert np.array_equal(picture_site.array(PICTURES[kind], "image"), expected)
        assert_same_answer(picture_site, PICTURES[kind])

    @pytest.mark.parametrize("kind", NEARLY)
    def test_that_the_browser_rounds_otherwise_differ_by_one_level(self, picture_site: Site, kind: str):
        expected = picture_site.predictor.prepare([NEARLY[kind]])["image"].astype(int)
        assert np.abs(picture_site.array(NEARLY[kind], "image") - expected).max() <= 1
        assert_same_answer(picture_site, NEARLY[kind], within=0.02)

    def test_of_16_bits_that_would_be_black_are_refused(self, picture_site: Site):
        dark = encoded(Image.fromarray(np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)), "PNG")
        with pytest.raises(Exception, match="16 bits and uses 12 or fewer"):
            picture_site.predict(dark)

    def test_of_16_bits_are_refused_where_a_range_of_values_was_learnt(
        self, browser: Any, served: tuple[Path, str], picture_file: Any
    ):
        spec = tlzoo.load(picture_file.path).manifest.preprocess.model_copy(update={"value_range": (0, 4095)})
        site = opened(browser, served, "ranged", picture_file.path, preprocess=spec)
        with pytest.raises(Exception, match="16 bits, of which a browser reads only 8"):
            site.predict(NEARLY["16-bit grey png"])
        assert_same_answer(site, PICTURES["png"])

    def test_are_resized_to_the_bit_as_pillow_does(self, picture_site: Site):
        random = np.random.default_rng(3)
        cases, expected = [], []
        for number in range(120):
            height, width = map(int, random.integers(1, 110, 2))
            pixels = random.integers(0, 2, (height, width, 3), dtype=np.uint8) * 255
            size = (
                [int(side) for side in random.integers(3, 60, 2)] if number % 2 else [int(random.integers(3, 60))] * 2
            )
            crop, filter = (
                float(random.choice([1, 0.9, 0.7])),
                ("nearest", "bilinear", "bicubic", "lanczos")[number % 4],
            )
            spec = {"size": size, "crop": crop, "interpolation": filter}
            cases.append({"width": width, "height": height, "data": _sent(pixels.tobytes()), "spec": spec})
            whole = ImageSpec(**spec, mean=(0, 0, 0), std=(1, 1, 1))
            expected.append(np.asarray(resize_and_crop(Image.fromarray(pixels), whole)).tobytes())
        made = picture_site.page.evaluate(
            """async cases => {
                const { fit } = await import("./preprocess-image.js");
                return cases.map(each => textOf(fit({...each, data: bytesOf(each.data)}, each.spec).data));
            }""",
            cases,
        )
        assert list(map(base64.b64decode, made)) == expected

    def test_that_cannot_be_read_are_reported_to_be_so_and_the_next_one_works(self, picture_site: Site):
        page = picture_site.page
        page.set_input_files("#picture", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
        page.get_by_text("cannot be read").wait_for()
        page.set_input_files("#picture", {"name": "b.png", "mimeType": "image/png", "buffer": PICTURES["png"]})
        page.get_by_text("Answered in").wait_for()
        [expected] = picture_site.predictor.predict([PICTURES["png"]])
        assert page.locator("#verdict").inner_text() == f"{expected.label}, {100 * expected.score:.1f}%"
        assert page.locator("#bars li").count() == 3

    def test_of_any_size_go_as_they_are_to_a_graph_that_resizes(
        self, browser: Any, served: tuple[Path, str], picture_file: Any
    ):
        site = opened(browser, served, "raw", picture_file.path, raw_input=True)
        made = site.array(PICTURES["jpeg turned 6"], "image")
        assert np.array_equal(
            made[0], np.asarray(Image.open(io.BytesIO(turned(6))).transpose(Image.Transpose.ROTATE_270))
        )


TEXTS = {
    "plain": "a great film, it was fine",
    "empty": "",
    "blank": " \t\n ",
    "accents": "Café naïve — great GREAT. 'quick'",
    "astral": "good 😀 a𝔤𝔯eat 𠀀 字great",
    "lone surrogate": "great \ud800 film \udc00",
    "long": "great story " * 400,
    "longer than is looked at": "😀" * 2047 + " great film",
    "blanks first": " \n" * 15_000 + "great film",
    "a blob first": "a" * 5_000 + "😀 great film",
}


class TestTexts:
    pytestmark = in_a_browser

    @pytest.mark.parametrize("kind", TEXTS)
    def test_have_the_same_tokens_and_the_same_answer(self, text_site: Site, kind: str):
        expected = text_site.predictor.prepare([TEXTS[kind]])
        for name in ("input_ids", "attention_mask"):
            assert np.array_equal(text_site.array(TEXTS[kind], name), expected[name])
        assert_same_answer(text_site, TEXTS[kind])

    def test_are_answered_by_keyboard_alone(self, text_site: Site):
        page = text_site.page
        page.get_by_label("Text", exact=True).last.focus()
        page.keyboard.type("great film")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Answered in").wait_for()
        assert page.locator("#verdict").inner_text().startswith("good, ")


TAGGED = {
    "plain": "a great film, it was awful and dull",
    "nothing": "it was a film",
    "empty": "",
    "emoji and marks": "great 😀😀 awful, e\u0301t\u0301e great\u0301 🧑‍🚀 dull",
    "right to left": "סרט great מאוד awful",
    "line ends": "great\r\nfilm\r\n\r\nawful",
    "unknown beside known": "greatly great! awful?dull 字great字",
    "longer than is read": "great awful film " * 30,
}


class TestTaggedTexts:
    pytestmark = in_a_browser

    @pytest.mark.parametrize("kind", TAGGED)
    def test_have_the_same_entities_at_the_same_places(self, tagged_site: Site, kind: str):
        text = TAGGED[kind]
        outputs = tagged_site.predictor.outputs([text])
        _, contexts = tagged_site.predictor.preprocessor.with_contexts([text])
        temperature = tagged_site.predictor.manifest.calibration.temperature
        [expected] = tagged_site.predictor.task.decode(outputs, contexts, DecodeOptions(temperature))
        answer = tagged_site.predict(text)
        found = [
            (_points(text, each["start"]), _points(text, each["end"]), each["label"]) for each in answer["entities"]
        ]
        assert found == [(each["start"], each["end"], each["label"]) for each in expected.entities]
        scores = [each["score"] for each in answer["entities"]]
        assert scores == pytest.approx([each["score"] for each in expected.entities], abs=1e-4)
        assert ("cut" in answer) == (kind == "longer than is read")

    def test_show_their_entities_marked_in_the_text(self, tagged_site: Site):
        page = tagged_site.page
        page.locator("#written").fill("a great film, awful")
        page.get_by_role("button", name="Answer").click()
        page.get_by_text("Answered in").wait_for()
        [expected] = tagged_site.predictor.predict(["a great film, awful"])
        assert page.locator("#marked mark").count() == len(expected.entities) > 0
        assert page.locator("#marked mark small").first.inner_text() == expected.entities[0]["label"]


def _points(text: str, units: int) -> int:
    """A place in UTF-16 units as a place in code points."""
    return len(text.encode("utf-16-le")[: 2 * units].decode("utf-16-le"))


def sound(rate: int, format: str = "WAV", subtype: str | None = "PCM_16", channels: int = 1, seed: int = 0) -> bytes:
    random = np.random.default_rng(seed)
    time = np.arange(int(0.4 * rate)) / rate
    samples = 0.4 * np.sin(2 * np.pi * 440 * time)[:, None] + 0.02 * random.standard_normal((len(time), channels))
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=format, subtype=subtype)
    return stream.getvalue()


SAME_RATE = {
    "16-bit": sound(16_000),
    "8-bit": sound(16_000, subtype="PCM_U8"),
    "24-bit stereo": sound(16_000, subtype="PCM_24", channels=2),
    "32-bit": sound(16_000, subtype="PCM_32"),
    "float, three channels": sound(16_000, subtype="FLOAT", channels=3),
    "double": sound(16_000, subtype="DOUBLE"),
    "extensible": sound(16_000, format="WAVEX"),
}
STEREO = sound_file(np.stack([chirp(0.3), -chirp(0.3)], axis=1), "WAV", "FLOAT")
UNFINISHED = SAME_RATE["16-bit"].replace(b"data" + SAME_RATE["16-bit"][40:44], b"data\0\0\0\0")
SAME_RATE |= {
    "opposite phase": STEREO,
    "six channels": sound(16_000, subtype="PCM_24", channels=6),
    "a header never finished": UNFINISHED,
    "a chunk and zeros behind": SAME_RATE["16-bit"] + b"LIST\3\0\0\0abc\0" + bytes(300),
}
OTHER_RATE = {f"{rate} Hz": rate for rate in (8_000, 11_025, 22_050, 44_100, 48_000, 96_000)}


class TestRecordings:
    pytestmark = in_a_browser

    @pytest.mark.parametrize("kind", SAME_RATE)
    def test_at_the_models_rate_have_the_same_samples_and_the_same_answer(self, recording_site: Site, kind: str):
        expected = recording_site.predictor.prepare([SAME_RATE[kind]])["audio"]
        assert np.array_equal(recording_site.array(SAME_RATE[kind], "audio"), expected)
        assert_same_answer(recording_site, SAME_RATE[kind])

    @pytest.mark.parametrize("rate", OTHER_RATE.values(), ids=OTHER_RATE)
    def test_at_other_rates_are_resampled_nearly_as_soxr_does(self, recording_site: Site, rate: int):
        given = sound(rate, channels=2)
        expected = recording_site.predictor.prepare([given])["audio"]
        error = recording_site.array(given, "audio") - expected
        assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 5e-4
        assert_same_answer(recording_site, given, within=1e-3)

    def test_in_white_noise_the_resampling_error_is_as_the_documentation_says(self, recording_site: Site):
        for rate, decibels in ((8_000, -95), (48_000, -95), (44_100, -60), (22_050, -60)):
            samples = np.random.default_rng(1).standard_normal(rate // 4).astype(np.float32)
            expected = soxr.resample(samples, rate, 16_000, quality="HQ")
            made = recording_site.page.evaluate(
                """async ([samples, rate]) => {
                    const { resample } = await import("./resample-audio.js");
                    return textOf(resample(new Float32Array(bytesOf(samples).buffer), rate, 16000, Infinity));
                }""",
                [_sent(samples.tobytes()), rate],
            )
            made = np.frombuffer(base64.b64decode(made), np.float32)
            assert len(made) == len(expected)
            assert 10 * np.log10(np.mean((made - expected) ** 2) / np.mean(expected**2)) < decibels

    @pytest.mark.parametrize("format", ["FLAC", "OGG", "MP3"])
    def test_of_other_formats_are_decoded_at_their_own_rate(self, recording_site: Site, format: str):
        given = sound(44_100, format, subtype=None)
        expected = recording_site.predictor.prepare([given])["audio"]
        error = recording_site.array(given, "audio") - expected
        assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < (5e-4 if format == "FLAC" else 0.02)

    def test_cut_short_or_not_sound_are_refused(self, recording_site: Site):
        page = recording_site.page
        for name, given, said in (
            ("cut.wav", sound(16_000)[:-500], "cut short"),
            ("joined.wav", sound(16_000) + sound(16_000), "belong to nothing"),
            ("integers.wav", sound_file(9000 * chirp(0.3), "WAV", "FLOAT"), "far beyond 1"),
            ("text.mp3", b"not a sound", "cannot be read"),
        ):
            page.set_input_files("#sound", {"name": name, "mimeType": "audio/wav", "buffer": given})
            page.get_by_text(said).wait_for()

    def test_from_the_microphone_are_answered(self, recording_site: Site):
        page = recording_site.page
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_role("button", name="Stop").wait_for()
        page.get_by_text("Answered in").wait_for()
        assert page.locator("#verdict").inner_text().split(",")[0] in recording_site.predictor.labels


DECIDED: dict[str, tuple[dict[str, Any], list[float], dict[str, Any]]] = {
    "classification": (
        {"labels": ["a", "b"], "calibration": {"temperature": 2}},
        [2, 0],
        {"label": "a", "score": 1 / (1 + np.exp(-1))},
    ),
    "multilabel": (
        {"labels": ["a", "b", "c"]},
        [0, -1, 3],
        {"labels": ["a", "c"], "scores": {"a": 0.5, "b": 1 / (1 + np.e), "c": 1 / (1 + np.exp(-3))}},
    ),
    "regression": ({"labels": ["price"]}, [12.5], {"logits": [12.5], "value": 12.5}),
}


class TestPluginsTask:
    pytestmark = in_a_browser

    @pytest.mark.parametrize("own", [True, False], ids=["with a page of its own", "without one"])
    def test_shows_its_answer(
        self,
        browser: Any,
        served: tuple[Path, str],
        duo: Any,
        numbers: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        own: bool,
    ):
        options = {"epochs": 1, "batch": 8, "seed": 0}
        run = tlzoo.finetune(
            "duo/means", numbers, out=tmp_path / "run", task="duo/two", strategy="finetune", options=options
        )
        exported = run.export(tmp_path / "two.onnx")
        if not own:
            monkeypatch.setattr(type(run.task), "page", None)
        for name in ("TLZOO_CACHE", "TLZOO_OFFLINE"):  # the libraries are in the user's cache
            monkeypatch.delenv(name)
        site = opened(browser, served, f"duo-{own}", exported.path)
        picture = {"name": "a.png", "mimeType": "image/png", "buffer": (tmp_path / "0.png").read_bytes()}
        site.page.set_input_files("#picture", picture)
        site.page.get_by_text("Answered in").wait_for()
        [expected] = site.predictor.predict([tmp_path / "0.png"])
        shown = site.page.locator("#verdict").inner_text()
        if own:
            assert shown == f"{expected.sign} {expected.size:.2f}"
        else:
            assert [line.partition(":")[0] for line in shown.splitlines()] == ["sign", "size"]


MARKUP = "<img/src=x/onerror=window.ran={0}><script>ran='{0}'</script>"


class TestPage:
    pytestmark = in_a_browser

    def test_asks_its_own_server_only_and_may_ask_no_other(self, text_site: Site):
        address = text_site.page.url
        assert text_site.requests
        assert all(url.startswith((address, "blob:", "data:")) for url in text_site.requests)
        refused = text_site.page.evaluate("fetch('http://127.0.0.2:9/').then(() => false, () => true)")
        assert refused
        policy = text_site.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
        assert "http" not in policy
        assert "*" not in policy

    def test_shows_labels_licence_quality_and_proof(self, picture_site: Site):
        picture_site.page.get_by_text("About this model").click()
        shown = picture_site.page.locator("#facts").inner_text()
        manifest = picture_site.predictor.manifest
        for fact in (*manifest.labels, manifest.checkpoint.license, manifest.checkpoint.id, "Accuracy", "Proof"):
            assert fact in shown

    @pytest.mark.parametrize("kind", ["text", "tagged"])
    def test_markup_in_labels_licences_and_texts_is_shown_as_it_is_written(
        self, browser: Any, served: tuple[Path, str], request: pytest.FixtureRequest, kind: str
    ):
        file = request.getfixturevalue(f"{kind}_file")
        labels = tuple(label[:2] + MARKUP.format(at) for at, label in enumerate(file.load().labels))
        checkpoint = file.load().manifest.checkpoint.model_copy(update={"license": MARKUP.format("licence")})
        site = opened(browser, served, f"{kind}-markup", file.path, labels=labels, checkpoint=checkpoint)
        page, text = site.page, MARKUP.format("text") + " great, awful"
        page.locator("#written").fill(text)
        page.get_by_role("button", name="Answer").click()
        page.get_by_text("Answered in").wait_for()
        page.get_by_text("About this model").click()
        shown = page.locator("body").inner_text()
        assert checkpoint.license in shown
        assert any(label.removeprefix("B-").removeprefix("I-") in shown for label in labels)
        page.evaluate("document.querySelectorAll('#marked small').forEach((label) => label.remove())")
        assert page.locator("#marked").text_content() == (text if kind == "tagged" else "")
        assert page.locator("[onerror], [src=x], script:not([src])").count() == 0
        assert page.evaluate("window.ran === undefined")
        assert all(url.startswith((page.url, "blob:", "data:")) for url in site.requests)

    @pytest.mark.parametrize(
        ("name", "said"), [("model.onnx", "model.onnx is damaged"), ("manifest.json", "manifest.json is not the one")]
    )
    def test_refuses_a_model_or_a_manifest_that_was_changed(
        self, browser: Any, served: tuple[Path, str], picture_site: Site, name: str, said: str
    ):
        folder, address = served
        copy = folder / f"changed-{name.partition('.')[0]}"
        shutil.copytree(folder / "picture", copy)
        content = (copy / name).read_bytes()
        at = content.index(b'"labels":["') + 11 if name == "manifest.json" else len(content) // 2
        (copy / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        page = browser.new_context().new_page()
        page.goto(f"{address}/{copy.name}/")
        page.get_by_text(said).wait_for()

    @pytest.mark.parametrize("family", DECIDED)
    def test_decides_as_the_task_does(self, text_site: Site, served: tuple[Path, str], family: str):
        page = CORE[family].page
        shutil.copyfile(page, served[0] / "text" / f"{family}.js")
        manifest, logits, expected = DECIDED[family]
        found = text_site.page.evaluate(
            """async ([family, manifest, logits]) => {
                const { decode } = await import(`./${family}.js`);
                return decode(manifest, { logits: { data: logits, dims: [1, logits.length] } });
            }""",
            [family, manifest, logits],
        )
        for name, right in expected.items():
            assert found[name] == (pytest.approx(right) if isinstance(right, dict | float) else right)


@pytest.mark.release
def test_preprocessing_by_a_plugin_cannot_go_along(tmp_path: Path, picture_file: Any):
    manifest = tlzoo.load(picture_file.path).manifest
    other = manifest.model_copy(update={"preprocess": PluginSpec(plugin="toy")})
    with pytest.raises(ExportError, match="toy"):
        web.write(tmp_path, b"", other)
    assert list(tmp_path.iterdir()) == []
