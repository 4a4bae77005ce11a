"""The registry of pretrained checkpoints: look one up, search, read a registry file."""

from __future__ import annotations

from tlzoo.registry.lookup.found import Found
from tlzoo.registry.store import find, get, load, origins_of, shadowed

__all__ = ["Found", "find", "get", "load", "origins_of", "shadowed"]
