"""This plugin passes the core's conformance suite."""

from __future__ import annotations

from tlzoo_timeseries.conformance import Forecasts, Suite


class TestConformance(Suite):
    """The checks, as pytest sees them."""


class TestForecasting(Forecasts):
    """The same for the task that this plugin adds."""
