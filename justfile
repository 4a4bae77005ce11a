# One command per chore; `uv run pytest` does the checks among them all at once

# Run the tests, style, types and layers among them
test *arguments:
    uv run pytest {{ arguments }}

# Run what `test` leaves out: the README word for word, examples, packaging, the site, real networks, long fuzzing
release *arguments:
    .ci/release {{ arguments }}

# Plant defects in copies of the tree and see which the tests catch: `just mutate --seed 8`
mutate *arguments:
    uv run python tools/mutate.py {{ arguments }}

# Fix what ruff can fix, and report the rest
lint:
    uv run ruff check --fix
    uv run ruff format
    uv run lint-imports

# Check types
types:
    uv run mypy

# Run the whole chain on real weights
demo *arguments:
    uv run tlzoo demo {{ arguments }}

# Write registry.json from tools/checkpoints
registry:
    uv run python tools/build_registry.py

# Pin dependencies: `just pins --upgrade` takes the newest that go together
pins *arguments:
    uv run python tools/constraints.py {{ arguments }}

# Throw broken files at every loader
fuzz *arguments:
    uv run python fuzz/loaders.py {{ arguments }}

# Build sdist and wheel of the core and of every plugin into dist/
build:
    uv build --all-packages

# Say how long `tlzoo --help` takes
startup:
    uv run python benchmarks/startup.py

# Build the documentation's site into build/docs; a warning is an error
docs:
    uv run python -m sphinx -W --keep-going -q -b html docs build/docs
