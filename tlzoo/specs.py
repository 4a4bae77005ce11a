"""Preprocessing specifications, as in a registry entry, a run and an exported file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator


class StrictModel(BaseModel):
    """A frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def first_invalid(error: ValidationError) -> tuple[str, str]:
    """The first field that is invalid, such as `source.sha256`, and why; the field is empty where all of them are."""
    fault = error.errors(include_url=False)[0]
    return ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")


Label = Annotated[str, Field(max_length=200)]
"""A name, a tag or a version: what stands on one line."""
MAX_VALUES = 10_000
"""Names, numbers and texts in a document of a plugin's own."""
MAX_CHARACTERS = 100_000
"""Of its names and texts together."""
MAX_DEPTH = 20


def _bounded(document: dict[str, Any]) -> dict[str, Any]:
    """The document, unless it holds so much that reading it would take a machine's memory or time."""
    values = characters = 0
    waiting: list[tuple[Any, int]] = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict | list | tuple):
            parts = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(part, depth + 1) for part in parts[: MAX_VALUES + 1]]
        if depth > MAX_DEPTH or values + len(waiting) > MAX_VALUES or characters > MAX_CHARACTERS:
            raise ValueError(
                f"must hold at most {MAX_VALUES:,} values, {MAX_CHARACTERS:,} characters and {MAX_DEPTH} levels"
            )
    return document


Document = Annotated[dict[str, Any], AfterValidator(_bounded)]
"""Options in a plugin's own names."""
Side = Annotated[int, Field(gt=0, le=4096)]


class ImageSpec(StrictModel):
    """A picture becomes `image` uint8 [N, H, W, 3] (RGB): turned by EXIF, shorter side resized, centre cropped.

    `size` is (height, width) in pixels; `crop` is the share of the resized shorter side that is kept (timm's
    crop_pct); `mean` and `std` are per channel on the 0..1 scale and are applied inside the graph. `value_range` has
    the stored values that become black and white in grey pictures of more than 8 bits; without it 0 and the largest
    number of up to 16 unsigned bits do, and others are refused.
    """

    kind: Literal["image"] = "image"
    size: tuple[Side, Side]
    crop: float = Field(default=1.0, ge=0.01, le=1)
    interpolation: Literal["bilinear", "bicubic", "nearest", "lanczos"] = "bilinear"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    value_range: tuple[FiniteFloat, FiniteFloat] | None = Field(default=None, exclude_if=lambda value: value is None)

    @field_validator("value_range", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        """A range as a command line has it, `-1000,400`."""
        return given.split(",") if isinstance(given, str) else given

    @field_validator("value_range")
    @classmethod
    def _rises(cls, given: tuple[float, float] | None) -> tuple[float, float] | None:
        if given is not None and given[0] >= given[1]:
            raise ValueError(f"must be LOW,HIGH, with LOW below HIGH, and is {given[0]:g},{given[1]:g}")
        return given


class TextSpec(StrictModel):
    """A text becomes `input_ids` and `attention_mask`, int64 [N, L], padded to the longest of its batch.

    `max_length` is in tokens. `tokenizer` is the whole tokenizer.json; it is empty in a registry (the plugin fills it
    in from the weights' folder) and present in every exported file. `known_tokens` is there where a tokenizer has more
    tokens than the network: texts with one of those beyond are refused. A text that is too long loses its tokens at
    `truncation_side`; with `lowercase` it is lowered, as by Python's `str.lower`, before it is tokenized.
    """

    kind: Literal["text"] = "text"
    max_length: int = Field(gt=0, le=1_000_000)
    pad_id: int = Field(default=0, ge=0, lt=2**31)
    tokenizer: str = ""
    known_tokens: int | None = Field(default=None, gt=0)
    truncation_side: Literal["left", "right"] = Field(default="right", exclude_if=lambda side: side == "right")
    lowercase: bool = Field(default=False, exclude_if=lambda lowers: not lowers)


class AudioSpec(StrictModel):
    """A recording becomes `audio` float32 [N, T], mono at `sample_rate` Hz, T = round(seconds * sample_rate).

    Longer recordings are cut at the end, shorter ones padded with zeros. `mark_end` is there where a model tells a
    sound from its padding: a last sample of 0 is written as 1e-30 then.
    """

    kind: Literal["audio"] = "audio"
    sample_rate: int = Field(gt=0, le=768_000)
    seconds: float = Field(gt=0, le=30)
    mark_end: Literal[True] | None = Field(default=None, exclude_if=lambda marks: not marks)


class PluginSpec(StrictModel):
    """Preprocessing by a plugin, whose `make_preprocessor` hook reads `options`.

    `endings` are those of the files it reads, lower case, each with its dot, such as `.csv`.
    """

    kind: Literal["plugin"] = "plugin"
    plugin: Label
    options: Document = {}
    endings: tuple[Annotated[str, Field(pattern=r"^(\.[a-z0-9]+)+$", max_length=20)], ...] = Field((), max_length=50)


Preprocess = Annotated[ImageSpec | TextSpec | AudioSpec | PluginSpec, Field(discriminator="kind")]
