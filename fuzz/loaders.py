"""Throw broken files at everything that reads files: `python fuzz/loaders.py --seconds 60`, or `--atheris`.

A loader may answer or raise a TlzooError; anything else, and anything slower than five seconds, is a finding: the bytes
are written to `--findings` and the exit code is 1. Without atheris the inputs are mutations of a corpus made on the
spot, the same for the same `--seed`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if "--atheris" in sys.argv:
    import atheris

    watched = atheris.instrument_imports(include=["tlzoo"])
else:
    watched = nullcontext()
with watched:
    import corpus
    import documents
    from tokenizers import Tokenizer, models, pre_tokenizers

    import tlzoo
    import tlzoo.preprocess.dicom
    import tlzoo.runtime.predictor
    from tlzoo.errors import TlzooError
    from tlzoo.preprocess import make_preprocessor
    from tlzoo.specs import AudioSpec, ImageSpec, TextSpec

SLOW = 5.0
INTERESTING = (b"\0", b"\xff", b"\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\n")
TOKENIZER = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##a": 2}, unk_token="[UNK]"))
TOKENIZER.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
PICTURES = make_preprocessor(ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1)))
RECORDINGS = make_preprocessor(AudioSpec(sample_rate=16_000, seconds=0.2))
TEXTS = make_preprocessor(TextSpec(max_length=16, tokenizer=TOKENIZER.to_str()))
Target = Callable[[bytes], object]


def load_model(data: bytes) -> None:
    """What `tlzoo.load` and one prediction make of a file with these bytes."""
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(data)
        file.flush()
        for _ in tlzoo.load(file.name, threads=1).stream([corpus.PIXELS]):
            pass


TARGETS: dict[str, tuple[Target, Callable[[], list[bytes]]]] = {
    "image": (lambda data: PICTURES([data]), corpus.pictures),
    "audio": (lambda data: RECORDINGS([data]), corpus.recordings),
    "text": (lambda data: TEXTS([data.decode("utf-8", "surrogateescape")]), corpus.texts),
    "model": (load_model, corpus.models),
    **documents.TARGETS,
}


def attempt(name: str, data: bytes) -> str:
    """The traceback or the time of a finding; empty where the loader behaves."""
    before = time.process_time()  # other processes may hold the cores
    try:
        TARGETS[name][0](data)
    except TlzooError as error:
        if "\n" in str(error):
            return f"a message of several lines: {error}"
    except BaseException:  # noqa: BLE001 - whatever it is, it is the finding
        return traceback.format_exc()
    taken = time.process_time() - before
    return f"took {taken:.1f} s" if taken > SLOW else ""


def mutated(data: bytes, others: list[bytes], source: random.Random) -> bytes:
    """One to eight changes: bits, bytes, numbers of note, cuts, repeats, pieces of another file."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        # headers decide most, so every other change falls on one
        end = min(len(changed), 64) if source.random() < 0.5 else len(changed)
        at = source.randrange(end + 1)
        length = source.choice((1, 2, 4, 16, 64))
        match source.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << source.randrange(8)
            case 1:
                changed[at : at + length] = source.randbytes(length)
            case 2:
                note = source.choice(INTERESTING)
                changed[at : at + len(note)] = note
            case 3:
                del changed[at : None if source.random() < 0.2 else at + length]
            case 4:
                changed[at:at] = changed[at : at + length] * source.choice((1, 2, 50))
            case _:
                other = source.choice(others)
                start = source.randrange(len(other) + 1)
                changed[at : at + length] = other[start : start + length]
    return bytes(changed)


def fuzz(names: list[str], seconds: float, rounds: int, seed: int, findings: Path) -> int:
    """Mutate for that long, or so many times, the targets in turn; the exit code."""
    source, seeds = random.Random(seed), {name: TARGETS[name][1]() for name in names}
    counts, found, began = dict.fromkeys(names, 0), 0, time.perf_counter()
    for name in names:
        for data in seeds[name]:
            found += report(name, data, findings)
    done = 0
    while done < rounds if rounds else time.perf_counter() - began < seconds:
        done += 1
        for name in names:
            counts[name] += 1
            found += report(name, mutated(source.choice(seeds[name]), seeds[name], source), findings)
    print(f"{sum(counts.values())} executions in {time.perf_counter() - began:.0f} s: {counts}; {found} findings")
    return 1 if found else 0


def report(name: str, data: bytes, findings: Path) -> int:
    """Run one input; 1 and a file for a finding, else 0."""
    wrong = attempt(name, data)
    if not wrong:
        return 0
    findings.mkdir(parents=True, exist_ok=True)
    file = findings / f"{name}-{abs(hash(data)):x}"
    file.write_bytes(data)
    print(f"{file}: {wrong}", file=sys.stderr)
    return 1


def guided(names: list[str], seconds: float) -> None:
    """The same targets driven by atheris, which sees what code of tlzoo's an input reaches."""

    def one(data: bytes) -> None:
        name = names[data[0] % len(names)] if data else names[0]
        if wrong := attempt(name, data[1:]):
            raise RuntimeError(f"{name}: {wrong}")

    with tempfile.TemporaryDirectory() as folder:
        for at, name in enumerate(names):
            for number, data in enumerate(TARGETS[name][1]()):
                Path(folder, f"{name}-{number}").write_bytes(bytes([at]) + data)
        atheris.Setup([sys.argv[0], folder, f"-max_total_time={round(seconds)}", "-max_len=8192"], one)
        atheris.Fuzz()


def main() -> int:
    """Read the command line and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=0, help="mutations of each target, instead of --seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=list(TARGETS), action="append")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "tlzoo-findings")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage; pip install atheris")
    given = parser.parse_args()
    names = given.target or list(TARGETS)
    if given.atheris:
        guided(names, given.seconds)
    return fuzz(names, given.seconds, given.rounds, given.seed, given.findings)


if __name__ == "__main__":
    sys.exit(main())
