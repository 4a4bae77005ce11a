"""Recordings and folders that other tools were reported to handle wrongly."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
from making import RATE, STABLE, WAVES, chirp, counts, heard, hub, noise, sound, tlzoo, tone, trained
from register import OUT, case, each, length, loudness, no_script, refused


def mpeg_without_xing(samples: np.ndarray) -> bytes:
    """A VBR MP3 whose first frame, which says how many there are, is taken away, as streaming encoders write it."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    data = file.getvalue()
    start = 0
    if data[:3] == b"ID3":
        start = 10 + sum((byte & 127) << (7 * (3 - at)) for at, byte in enumerate(data[6:10]))
    rates = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]  # MPEG-2 layer III, kbit/s
    header = struct.unpack(">I", data[start : start + 4])[0]
    size = 72 * rates[header >> 12 & 15] * 1000 // RATE + (header >> 9 & 1)
    assert b"Xing" in data[start : start + size] or b"Info" in data[start : start + size]
    return data[start + size :]


@case(
    "A-01",
    "3 s of sound, or an error that names the file",
    lambda got: each(got, lambda part: length(part) >= 2.9 or refused(part)),
)
def mp3_without_xing(run: bool) -> str:
    folder = OUT / "A-01"
    folder.mkdir(parents=True, exist_ok=True)
    loud_first = np.concatenate([noise(1.0), np.zeros(RATE, np.float32), chirp(1.0)])
    (folder / "chirp.mp3").write_bytes(mpeg_without_xing(chirp(3.0)))
    (folder / "loud-first.mp3").write_bytes(mpeg_without_xing(loud_first))
    return " | ".join(f"{p.name}: {heard(p, 3.0)}" for p in sorted(folder.iterdir())) if run else ""


@case(
    "A-03",
    "the same sound as from int16, or an error",
    lambda got: each(got, lambda part: loudness(part) >= 0.3 or refused(part)),
)
def wide_integers(run: bool) -> str:
    """int16 samples in an int32 or int64 array, as arithmetic on them gives: divided by 2**31 or 2**63."""
    samples = (chirp(1.0) * 32767).astype(np.int16)
    np.save(OUT / "A-03-int16.npy", samples)
    kinds = ("int16", "int32", "int64")
    return " | ".join(f"{kind}: {heard((samples.astype(kind), RATE), 1.0)}" for kind in kinds) if run else ""


@case(
    "A-04", "an error, or scaled to -1..1", lambda got: each(got, lambda part: loudness(part) <= 1.0 or refused(part))
)
def wide_floats(run: bool) -> str:
    """float32 samples of -32768..32767, as an array and in a WAV file."""
    samples = (chirp(1.0) * 32767).astype(np.float32)
    path = sound(OUT / "A-04" / "loud.wav", samples, subtype="FLOAT")
    return f"array: {heard((samples, RATE), 1.0)} | file: {heard(path, 1.0)}" if run else ""


@case(
    "A-05",
    "what transformers' feature extractor gives: no change, as the mean of the sound itself is taken away",
    lambda got: "flips 0 of" in got and float(got.split(" by ")[1].split()[0]) < 0.05,
)
def offset(run: bool) -> str:
    """A checkpoint with do_normalize and an attention mask (XLS-R, large wav2vec 2.0, HuBERT and WavLM): the sound is
    normalised together with the zeros behind it, so that a constant offset becomes a step and short sounds get louder."""
    id, _ = hub("waves-large", "wav2vec2", **WAVES, **STABLE)
    data = OUT / "A-05"
    for number in range(12):
        sound(data / "tone" / f"{number}.wav", tone(0.2 + 0.02 * number, 200 + 40 * number))
        sound(data / "noise" / f"{number}.wav", noise(0.2 + 0.02 * number, number))
    if not run:
        return ""
    said, file = trained(data, id, "A-05", "--seconds", "0.5")
    if file is None:
        return said
    from tlzoo import load

    predictor, flips, moved = load(file), 0, []
    for number in range(20):
        plain = tone(0.2, 150 + 50 * number) if number % 2 else noise(0.2, 99 + number)
        without, with_offset = predictor.embeddings([plain])[0], predictor.embeddings([plain + np.float32(0.3)])[0]
        moved.append(np.abs(without - with_offset).max() / np.abs(without).max())
        flips += predictor.predict(plain)[0].label != predictor.predict(plain + np.float32(0.3))[0].label
    return f"an offset of 0.3 moves embeddings by {np.mean(moved):.2f} of their size and flips {flips} of 20 labels"


@case("A-07", "an error, or the sound of one channel", lambda got: loudness(got) > 0.1 or refused(got))
def opposite_phase(run: bool) -> str:
    path = sound(OUT / "A-07" / "anti.wav", np.stack([chirp(1.0), -chirp(1.0)], axis=1))
    return heard(path, 1.0) if run else ""


@case("A-08", "3 s of sound: FLAC may say that its length is not known", lambda got: length(got) >= 2.9)
def flac_of_unknown_length(run: bool) -> str:
    data = bytearray(sound(OUT / "A-08" / "known.flac", chirp(3.0)).read_bytes())
    data[21] &= 0xF0  # STREAMINFO's total samples, 36 bits
    data[22:26] = b"\0\0\0\0"
    path = OUT / "A-08" / "unknown.flac"
    path.write_bytes(bytes(data))
    return heard(path, 3.0) if run else ""


@case(
    "A-09",
    "3 s of sound, or an error that does not say to record it again",
    lambda got: length(got) >= 2.9 or (refused(got) and "again" not in got),
)
def header_never_finished(run: bool) -> str:
    data = bytearray(sound(OUT / "A-09" / "whole.wav", chirp(3.0)).read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = bytes(4)
    path = OUT / "A-09" / "unfinished.wav"
    path.write_bytes(bytes(data))
    return heard(path, 3.0) if run else ""


@case("A-10", "a line that says how many recordings are longer than the window", lambda got: got.endswith("True"))
def behind_the_window(run: bool) -> str:
    data = OUT / "A-10"
    for number in range(16):
        for label, made in (("tone", tone(3.0, 200 + 20 * number)), ("noise", noise(3.0, number))):
            sound(data / label / f"{number}.wav", np.concatenate([0.1 * noise(1.2, 50 + number), made]))
    if not run:
        return ""
    _code, out, err = tlzoo("finetune", "speech/lab-wav2vec2", data, "--out", OUT / "runs" / "A-10")
    return f"{(out.strip().splitlines() or [''])[0][-110:]}; said about length: {'window' in err or 'longer' in err}"


@case(
    "D-01",
    "8 training and 8 test samples of a and b, or an error",
    lambda got: each(got, lambda part: "8 training samples {'a': 4, 'b': 4}, test 8" in part or refused(part)),
)
def capitals(run: bool) -> str:
    found = []
    for names in (("Train", "Test"), ("training", "testing")):
        for part in names:
            for label in ("a", "b"):
                for number in range(4):
                    sound(OUT / "D-01" / names[0] / part / label / f"{number}.wav", tone(0.1))
        found.append(f"{names}: {counts(OUT / 'D-01' / names[0], 'audio')}" if run else "")
    return " | ".join(found)


@case("D-02", "a line, or an error, about the files that are not read", lambda got: ".m4a" in got or refused(got))
def other_endings(run: bool) -> str:
    folder = OUT / "D-02"
    for label in ("yes", "no"):
        for number in range(5):
            sound(folder / label / f"{number}.wav", tone(0.1))
            (folder / label / f"{number}.m4a").write_bytes(b"\0\0\0 ftypM4A ")
            (folder / label / f"{number}.webm").write_bytes(b"\x1aE\xdf\xa3")
    return counts(folder, "audio") if run else ""


@case("D-04", "three labels, or an error", lambda got: ".NET" in got or refused(got))
def dotted_class(run: bool) -> str:
    for label in (".NET", "go", "java"):
        for number in range(3):
            path = OUT / "D-04" / label / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("some text")
    return counts(OUT / "D-04", "text") if run else ""


if __name__ == "__main__":
    sys.exit(no_script("text_audio_inputs.py"))
