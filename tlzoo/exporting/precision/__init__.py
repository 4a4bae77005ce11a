"""Reduced precisions of an exported model: float16 weights or computation, and int8."""

from __future__ import annotations

from tlzoo.exporting.precision.reduce import ReducedModel, reduce_precision
from tlzoo.exporting.precision.speed import rank_by_speed

__all__ = ["ReducedModel", "rank_by_speed", "reduce_precision"]
