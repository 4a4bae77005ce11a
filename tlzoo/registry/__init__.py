"""The registry of pretrained checkpoints: look one up, search, read a registry file."""

from __future__ import annotations

from tlzoo.registry.catalogue import find, get, load, origins_of, shadowed
from tlzoo.registry.search.results import SearchResults

__all__ = ["SearchResults", "find", "get", "load", "origins_of", "shadowed"]
