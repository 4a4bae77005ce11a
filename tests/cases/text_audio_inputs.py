"""Texts, sounds, folders and hubs that people reported against other tools, tried on tlzoo.

    uv run python tests/cases/text_audio_inputs.py --out INPUTS              # write all inputs
    uv run python tests/cases/text_audio_inputs.py --out INPUTS --run        # and try them; 1 when one does not hold
    uv run python tests/cases/text_audio_inputs.py --out INPUTS --run A-01 T-01

Everything is made here: random tiny networks, invented texts, synthetic sound. Nothing is fetched; `hf/...` ids are
served by a hub on loopback. No part of the test suite, as rows that do not hold yet are known faults.
"""

from __future__ import annotations

import sys

import hubs
import sounds
import tables
from making import open_zoo
from register import main

PARTS = (sounds, tables, hubs)

if __name__ == "__main__":
    sys.exit(main(__doc__ or "", open_zoo))
