"""Small real data sets for `tlzoo demo`, the tests and the benchmarks, fetched by package and verified by hash."""

MODALITIES = ("vision", "nlp", "speech")
