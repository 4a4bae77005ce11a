"""Speak words into WAV files with eSpeak NG's C interface. Run as a script: a job as JSON comes in on stdin.

A process of its own, because the library keeps global state (a fresh process speaks the same job the same way) and may
end the process it runs in. Needs nothing but the standard library.

The job: {"library": path, "data": folder that holds espeak-ng-data, "utterances": [{"path", "text", "voice", "rate",
"pitch"}]}; `rate` in words per minute, `pitch` 0..99.
"""

from __future__ import annotations

import ctypes
import json
import sys
import wave
from typing import Any

_SYNCHRONOUS, _DONT_EXIT, _UTF8 = 2, 0x8000, 1
_RATE, _PITCH = 1, 3
_ON_SOUND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(job: dict[str, Any]) -> None:
    """Write one 16-bit mono WAV per utterance; raises RuntimeError naming the utterance that could not be spoken."""
    library = ctypes.CDLL(job["library"])
    library.espeak_Synth.argtypes = (
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
        *(ctypes.c_void_p, ctypes.c_void_p),
    )
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, job["data"].encode(), _DONT_EXIT)
    if sample_rate <= 0:
        raise RuntimeError(f"eSpeak NG does not start with the data in {job['data']}")
    pieces: list[bytes] = []

    def keep(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    on_sound = _ON_SOUND(keep)
    library.espeak_SetSynthCallback(on_sound)
    for position, utterance in enumerate(job["utterances"]):
        pieces.clear()
        library.espeak_ng_SetRandSeed(ctypes.c_long(position))  # breath is noise, seeded by the clock at the start
        text = utterance["text"].encode()
        failed = (
            library.espeak_SetVoiceByName(utterance["voice"].encode())
            or library.espeak_SetParameter(_RATE, utterance["rate"], 0)
            or library.espeak_SetParameter(_PITCH, utterance["pitch"], 0)
            or library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
        )
        if failed or not pieces:
            raise RuntimeError(f"eSpeak NG cannot say {utterance['text']!r} as {utterance['voice']} (status {failed})")
        with wave.open(utterance["path"], "wb") as file:
            file.setparams((1, 2, sample_rate, 0, "NONE", ""))
            file.writeframes(b"".join(pieces))


if __name__ == "__main__":
    speak(json.load(sys.stdin))
