"""Time series for tlzoo. The hooks are in `tlzoo_timeseries.plugin`; torch is imported when one of them needs it."""
