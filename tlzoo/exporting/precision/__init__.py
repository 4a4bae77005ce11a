"""Lower precisions of an exported model: float16 weights or computation, and int8 found by measurement."""

from __future__ import annotations

from tlzoo.exporting.precision.choice import fastest
from tlzoo.exporting.precision.reduce import Lowered, lower

__all__ = ["Lowered", "fastest", "lower"]
