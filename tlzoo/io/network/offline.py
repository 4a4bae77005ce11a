"""Whether the network may be used."""

from __future__ import annotations

import os


def network_is_off() -> bool:
    """Whether TLZOO_OFFLINE or HF_HUB_OFFLINE says so."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in ("TLZOO_OFFLINE", "HF_HUB_OFFLINE")
    )
