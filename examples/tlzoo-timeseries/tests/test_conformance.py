"""This plugin passes the core's conformance suite."""

from __future__ import annotations

from tlzoo_timeseries.conformance import Suite


class TestConformance(Suite):
    """The checks, as pytest sees them."""
