"""The registry of pretrained checkpoints: look one up, search, read a registry file."""

from __future__ import annotations

from tlzoo.registry.store import find, get, load

__all__ = ["find", "get", "load"]
