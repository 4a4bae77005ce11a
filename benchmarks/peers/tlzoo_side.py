"""tlzoo on one job of benchmarks/peers.py; prints one JSON line.

`call` is all of `tlzoo.finetune`: reading the data, building the model, training, measuring, saving.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import tlzoo


def main() -> None:
    """Train, measure on the test set, print."""
    job = json.loads(Path(sys.argv[1]).read_text())
    strategy, freeze = {
        "frozen": ("probe", "all"),
        "last": ("lp-ft", f"last:{job['stages']}"),
        "full": ("finetune", "none"),
    }[job["part"]]
    options = {"seed": job["seed"]}
    if strategy != "probe":
        options |= {"epochs": job["epochs"][job["part"]], "batch": job["batch"]}
    finetune = tlzoo.finetune
    began = time.perf_counter()
    run = finetune(
        job["checkpoint"],
        job["data"],
        test=job["test_data"],
        out=Path(job["folder"]) / "run",
        strategy=strategy,
        freeze=freeze,
        options=options,
    )
    call = time.perf_counter() - began
    phases = {name: seconds for name, seconds in run.seconds.items() if name != "total"}
    trained = (run.frozen or {}).get("trained")
    print(json.dumps({"call": call, "phases": phases, "accuracy": run.metrics["accuracy"], "trained": trained}))


if __name__ == "__main__":
    main()
