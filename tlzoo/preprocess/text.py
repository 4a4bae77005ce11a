"""Texts to token ids and masks, with the tokenizer that travels inside the model's file. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tokenizers import Tokenizer

from tlzoo.errors import ArtifactError, InputError, first_line
from tlzoo.interfaces import TextContext
from tlzoo.io.texts import LONE_SURROGATE
from tlzoo.io.words import end_of_marks, touch_in_word
from tlzoo.preprocess.prepared import Limit, PreparedArrays
from tlzoo.specs import TextSpec

CHARACTERS_PER_TOKEN = 64
LEAST_CHARACTERS = 4096
"""More than the longest word that a WordPiece vocabulary takes apart: a piece of such a word is one unknown too."""
Result = TypeVar("Result")


class _Read(NamedTuple):
    """An encoding, and of how many characters before what was encoded each text was cut."""

    encoding: Any
    before: tuple[int, ...]


class TextPreprocessor:
    """A list of texts becomes `input_ids` and `attention_mask`, int64 [N, L], L the longest of the batch.

    A text is cut to `max_length` tokens (special tokens kept), its last ones left out or, where the specification's
    `truncation_side` is left, its first; it is padded on the right with `pad_id`. Padding and truncation that the
    tokenizer.json itself asks for are ignored. Where the specification says `lowercase`, the text is lowered before,
    as by `str.lower`. Of a long text only the words in its first (last) `64 * max_length` characters are tokenized, or
    in twice as many, and so on, until there are more than `max_length` tokens and all that are kept are of the half
    that is far from the cut: those are the tokens of the whole text. A lone surrogate becomes U+FFFD. Every text gives
    at least one token under the mask: where a tokenizer without special tokens finds none, that is `pad_id`.

    Raises ArtifactError for a tokenizer that is missing, broken or needs more than `max_length` for special tokens.
    """

    def __init__(self, spec: TextSpec) -> None:
        self._tokenizer = _read_tokenizer(spec)
        self.limit = Limit(spec.max_length, "tokens")
        self._pad_id = spec.pad_id
        self._known_tokens = spec.known_tokens
        self._lowercase = spec.lowercase
        self._from_end = spec.truncation_side == "left"
        self._room = spec.max_length - self._tokenizer.num_special_tokens_to_add(False)
        self._characters = max(LEAST_CHARACTERS, CHARACTERS_PER_TOKEN * spec.max_length)

    def __call__(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Raises InputError, naming the position, for what is not a string."""
        return self._arrays([read.encoding for read in self._read(texts, self._tokenizer.encode_batch_fast)])

    def with_contexts(self, texts: Sequence[Any]) -> tuple[dict[str, np.ndarray], list[TextContext]]:
        """The arrays, and of each text where its tokens begin and end; of a pair, those of the first text alone."""
        reads = self._read(texts, self._tokenizer.encode_batch)
        found = []
        for text, (encoding, before) in zip(texts, reads, strict=True):
            first = text[0] if isinstance(text, tuple) else text
            places = [
                (begin + before[0], end + before[0]) if number == 0 else (0, 0)
                for (begin, end), number in zip(encoding.offsets, encoding.sequence_ids, strict=True)
            ]
            pairs = [_without_blanks(first, *place) for place in self._original(first, places)]
            found.append(TextContext(first, np.array(pairs or [(0, 0)], dtype=np.int32)))
        return self._arrays([read.encoding for read in reads]), found

    def _read(self, texts: Sequence[Any], encode: Callable[[list[Any]], list[Any]]) -> list[_Read]:
        """The encoding of each text, from as many of its characters as decide the tokens that are kept."""
        whole = self._all(texts)
        reads: dict[int, _Read] = {}
        sizes = [_size(text) for text in whole]
        short = [at for at, size in enumerate(sizes) if size <= self._characters]
        for at, encoding in zip(short, _encoded([whole[at] for at in short], short, encode), strict=True):
            reads[at] = _Read(encoding, (0, 0))
        left, characters = [at for at in range(len(whole)) if at not in reads], self._characters
        while left:
            parts = [_words_at_end(whole[at], characters, self._from_end) for at in left]
            encodings = _encoded(parts, left, self._tokenizer.encode_batch)
            for at, part, encoding in zip(tuple(left), parts, encodings, strict=True):
                if sizes[at] <= characters or self._decided(whole[at], part, encoding):
                    reads[at] = _Read(encoding, self._before(whole[at], part))
            left, characters = [at for at in left if at not in reads], 2 * characters
        found = [reads[at] for at in range(len(whole))]
        if self._known_tokens is not None:
            self._check_tokens([read.encoding for read in found], self._known_tokens)
        return found

    def _decided(self, text: Any, part: Any, encoding: Any) -> bool:
        """Whether more of the text would change none of the tokens that are kept: there are more than enough of them,
        and none of those kept lies in the half beside the cut."""
        if not encoding.overflowing:
            return False
        numbers = encoding.sequence_ids
        for number, (given, used) in enumerate(zip(_each(text), _each(part), strict=True)):
            places = [place for place, of in zip(encoding.offsets, numbers, strict=True) if of == number]
            if len(used) == len(given) or not places:
                continue
            if self._from_end and min(begin for begin, _ in places) < len(used) // 2:
                return False
            if not self._from_end and max(end for _, end in places) > len(used) // 2:
                return False
        return True

    def _before(self, text: Any, part: Any) -> tuple[int, ...]:
        pairs = zip(_each(text), _each(part), strict=True)
        return tuple(len(given) - len(used) if self._from_end else 0 for given, used in pairs)

    def _original(self, text: str, places: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        """Places in a text from those in the lowered one, where some characters are several."""
        if not self._lowercase or len(text.lower()) == len(text):
            return places
        origin = [at for at, character in enumerate(text) for _ in character.lower()]
        return [(origin[begin], origin[end - 1] + 1) if begin < end else (0, 0) for begin, end in places]

    def _check_tokens(self, encodings: Sequence[Any], known: int) -> None:
        for position, encoding in enumerate(encodings):
            if strange := [at for at, number in enumerate(encoding.ids) if number >= known]:
                number = encoding.ids[strange[0]]
                token = self._tokenizer.id_to_token(number)
                raise InputError(
                    f"Input {position} has the token {token!r}, number {number}, but the network knows {known} tokens.",
                    hint="Leave it out of the text, or choose another checkpoint.",
                )

    def _arrays(self, encodings: Sequence[Any]) -> PreparedArrays:
        rows = [encoding.ids or [self._pad_id] for encoding in encodings]
        length = max(map(len, rows), default=1)
        input_ids = np.full((len(rows), length), self._pad_id, dtype=np.int64)
        attention_mask = np.zeros((len(rows), length), dtype=np.int64)
        for position, row in enumerate(rows):
            input_ids[position, : len(row)] = row
            attention_mask[position, : len(row)] = 1
        longer = [bool(encoding.overflowing) for encoding in encodings]
        return PreparedArrays({"input_ids": input_ids, "attention_mask": attention_mask}, longer)

    def spans(self, text: str, share: int) -> list[tuple[int, int]]:
        """Where the windows of a text that has more than `max_length` tokens begin and end, in characters.

        Each ends where the next word would not fit, and the next begins before, so that about one in
        `share` tokens is in both. One for a text that fits.
        """
        room = self._room
        if len(self._clean(0, text).encode()) <= room:
            return [(0, len(text))]
        words = self._words(text)
        if sum(size for _, _, size in words) <= room:
            return [(0, len(text))]
        return _cut(words, len(text), room, room // share)

    def _words(self, text: str) -> list[tuple[int, int, int]]:
        """Begin, end with marks, number of tokens of each word; of parts of one that alone takes half of the room."""
        [encoding] = _encoded(
            [self._clean(0, text)], [0], lambda parts: self._unbounded.encode_batch(parts, add_special_tokens=False)
        )
        words: list[tuple[int, int, int]] = []
        for begin, end in self._original(text, encoding.offsets):
            first, last, size = words[-1] if words else (0, -1, 0)
            if begin < last or (size < self._room // 2 and touch_in_word(text, last, begin)):
                words[-1] = (first, max(end, last), size + 1)
            else:
                words.append((begin, end, 1))
        limits = [*(begin for begin, _, _ in words[1:]), len(text)]
        marked = zip(words, limits, strict=False)
        return [(begin, end_of_marks(text, end, limit), size) for (begin, end, size), limit in marked]

    @cached_property
    def _unbounded(self) -> Tokenizer:
        """The tokenizer without truncation: another one, as threads share this."""
        whole = Tokenizer.from_str(self._tokenizer.to_str())
        whole.no_truncation()
        return whole

    def _all(self, texts: Sequence[Any]) -> list[Any]:
        if isinstance(texts, str):
            raise InputError("Expected a list of texts, not one text.", hint="Put it in a list: [text]")
        return [
            tuple(self._clean(position, each) for each in text)
            if isinstance(text, tuple)
            else self._clean(position, text)
            for position, text in enumerate(texts)
        ]

    def _clean(self, position: int, text: object) -> str:
        if not isinstance(text, str):
            raise InputError(
                f"Input {position} is of type {type(text).__name__}, not a text.",
                hint="Give strings; decode bytes first.",
            )
        cleaned = LONE_SURROGATE.sub("\ufffd", text)
        return cleaned.lower() if self._lowercase else cleaned


def _each(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def _size(text: str | tuple[str, ...]) -> int:
    return max(map(len, _each(text)))


def _words_at_end(text: Any, characters: int, last: bool) -> Any:
    """The words that lie within the first characters, or the last; of a word that alone is longer, those of it."""
    if isinstance(text, tuple):
        return tuple(_words_at_end(each, characters, last) for each in text)
    if len(text) <= characters:
        return text
    part, beside = (text[-characters:], text[-characters - 1]) if last else (text[:characters], text[characters])
    edge = part[0] if last else part[-1]
    if edge.isspace() or beside.isspace():
        return part
    words = part.split(maxsplit=1) if last else part.rsplit(maxsplit=1)
    begun = len(words[0 if last else -1])
    if begun == len(part):
        return part
    return part[begun:] if last else part[:-begun]


def _without_blanks(text: str, begin: int, end: int) -> tuple[int, int]:
    """A token's place without the blanks that some tokenizers count with it."""
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return begin, end


def _cut(words: Sequence[tuple[int, int, int]], end: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Windows over words of so many tokens: as many as fit, the next from about `overlap` tokens before the end."""
    spans: list[tuple[int, int]] = []
    first = 0
    while True:
        last, size = first, words[first][2]
        while last + 1 < len(words) and size + words[last + 1][2] <= room:
            last += 1
            size += words[last][2]
        whole = last + 1 == len(words)
        spans.append((0 if not first else words[first][0], end if whole else words[last][1]))
        if whole:
            return spans
        again, shared = last + 1, 0
        while again - 1 > first and shared + words[again - 1][2] <= overlap:
            again -= 1
            shared += words[again][2]
        first = again


class _Panic(Exception):
    """The library's own code failed, as over a tokenizer.json that contradicts itself."""


def _without_panic(function: Callable[..., Result], *given: Any) -> Result:
    """What a function of the library returns; a panic of its Rust code, which is no Exception, is raised as one."""
    try:
        return function(*given)
    except BaseException as cause:
        if type(cause).__name__ == "PanicException":
            raise _Panic(first_line(cause)) from cause
        raise


def _encoded(parts: list[Any], positions: Sequence[int], encode: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """The encodings; raises InputError naming the first text that the tokenizer cannot encode."""
    try:
        return _without_panic(encode, parts)
    except Exception as cause:  # the library has one type for all, such as for a vocabulary without its unknown word
        for position, part in zip(positions, parts, strict=True):
            try:
                _without_panic(encode, [part])
            except Exception as reason:
                broken = "The model's tokenizer is broken: use another checkpoint."
                unknown = "The tokenizer does not know a word of it: leave that out, or use another checkpoint."
                raise InputError(
                    f"Input {position} cannot be split into tokens: {first_line(reason)}.",
                    hint=broken if isinstance(reason, _Panic) else unknown,
                ) from reason
        raise ArtifactError(f"The tokenizer cannot encode a batch of texts: {cause}.", hint="Export again.") from cause


def _try_once(tokenizer: Tokenizer) -> None:
    """Encode a text, over which a tokenizer.json that contradicts itself makes the library panic."""
    try:
        _without_panic(tokenizer.encode, "a")
    except _Panic:
        raise
    except Exception:  # noqa: BLE001 - a vocabulary without this word, which other texts may do without
        return


def _read_tokenizer(spec: TextSpec) -> Tokenizer:
    if not spec.tokenizer:
        raise ArtifactError(
            "The text preprocessing has no tokenizer.",
            hint="Use what load_backbone returns with weights, or an exported file: both embed a tokenizer.json.",
        )
    try:
        tokenizer = _without_panic(Tokenizer.from_str, spec.tokenizer)
        special = _without_panic(tokenizer.num_special_tokens_to_add, False)
        _try_once(tokenizer)
    except Exception as cause:
        raise ArtifactError(
            f"The embedded tokenizer cannot be read: {first_line(cause)}.",
            hint="It must be the text of a complete tokenizer.json.",
        ) from cause
    if spec.max_length <= special:
        raise ArtifactError(
            f"`preprocess={{'max_length': {spec.max_length}}}` leaves no room beside the tokenizer's {special} special "
            "tokens.",
            hint=f"Give `preprocess={{'max_length': {special + 1}}}` or more.",
            parameter="preprocess",
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(spec.max_length, direction=spec.truncation_side)
    return tokenizer
