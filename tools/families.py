"""Make the tables of docs/reference/families.md again: what becomes of the frozen part of every family.

    python tools/families.py                 all of them, in a process per core; minutes
    python tools/families.py llama resnet    those of these families alone
    python tools/families.py --missing       those that have no row yet; rows of families that are gone disappear

A family whose halves are not the model, or that fails otherwise, keeps its row; it is named, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from shared_fixtures.families import page


def main() -> int:
    """Write the page after each row; the exit status says whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="FAMILY")
    parser.add_argument("--missing", action="store_true", help="only those that have no row yet")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    given = parser.parse_args()
    tables, asked = plan(given.names, given.missing)
    page.write(tables)
    failed = 0
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(row, table, name, tables[table][name].model if name in tables[table] else ""): (table, name)
            for table, name in asked
        }
        for done in as_completed(waiting):
            table, name = waiting[done]
            if error := done.exception():
                failed += 1
                print(f"{table} {name}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            tables[table][name] = done.result()
            page.write(tables)
            print(table, *vars(done.result()).values())
    return int(failed > 0)


def plan(names: list[str], missing: bool) -> tuple[dict[str, dict[str, page.Row]], list[tuple[str, str]]]:
    """The rows that stay, and what is to be tried: table and family."""
    before, tables, asked = page.read(), {}, []
    for table in page.TABLES:
        library = importlib.import_module(f"shared_fixtures.families.{table}")
        there = library.names()
        tables[table] = {name: row for name, row in before[table].items() if name in there}
        tables[table] |= {name: page.Row(name, "", "left out", reason=why) for name, why in library.LEFT_OUT.items()}
        wanted = names or [name for name in there if not missing or name not in tables[table]]
        asked += [(table, name) for name in wanted if name in there]
    return tables, asked


def row(table: str, name: str, model: str) -> page.Row:
    """One family's row, in a process that tries several."""
    from shared_fixtures.families.verdicts import judge

    library = importlib.import_module(f"shared_fixtures.families.{table}")
    return judge(library.family(name, model))


if __name__ == "__main__":
    sys.exit(main())
