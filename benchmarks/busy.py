"""A probe's fit on an idle machine and beside a process that keeps a core busy: `python benchmarks/busy.py`.

Prints both medians and their ratio, and exits with 1 where the fit takes more than 1.5 times as long beside the other.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time

import numpy as np
from figures import add_option, keep, write

ALLOWED = 1.5


def burn() -> None:
    """Keep one core busy."""
    while True:
        pass


def seconds(samples: int, width: int, labels: int, rounds: int) -> list[float]:
    """How long each of some fits takes."""
    from tlzoo.models.heads import probe_objective
    from tlzoo.tasks import make_task
    from tlzoo.training.strategies.probe_fit import fit_probe

    random = np.random.default_rng(0)
    features = random.normal(size=(samples, width)).astype(np.float32)
    targets = (features[:, :labels] + 0.8 * random.normal(size=(samples, labels))).argmax(axis=1)
    objective = probe_objective(make_task("image-classification", [str(at) for at in range(labels)]), {})
    held = samples // 5
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        fit_probe((features[held:], targets[held:]), (features[:held], targets[:held]), objective)
        found.append(time.perf_counter() - began)
    return found


def main() -> int:
    """Measure, print one JSON document, and say by the exit status whether the ratio is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=508)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    add_option(parser)
    given = parser.parse_args()
    shape = (given.samples, given.width, given.labels)
    seconds(*shape, 1)  # imports
    idle = statistics.median(seconds(*shape, given.rounds))
    burner = multiprocessing.get_context("spawn").Process(target=burn, daemon=True)
    burner.start()
    try:
        busy = statistics.median(seconds(*shape, given.rounds))
    finally:
        burner.kill()
    ratio = busy / idle
    for name, value, unit in (("idle", idle, "s"), ("beside a burner", busy, "s"), ("ratio", ratio, "x")):
        keep(name, value, unit)
    write(given.json)
    print(json.dumps({"idle_s": round(idle, 3), "busy_s": round(busy, 3), "ratio": round(ratio, 3)}))
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
