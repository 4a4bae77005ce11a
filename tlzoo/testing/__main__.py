"""`python -m tlzoo.testing NAME`: run a plugin's conformance suite; exit 0 when every check passes, else 2."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from typing import Any

from tlzoo.errors import TlzooError
from tlzoo.io.extras import missing_extra


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each check as it ends; with `--json` one document on stdout, when all are done.

    The document is {plugin, distribution, version, passed, seconds, results: [{name, passed, message, seconds}]}.
    """
    parser = argparse.ArgumentParser(prog="python -m tlzoo.testing", description="Run a plugin's conformance suite.")
    parser.add_argument("plugin", help="the plugin's name, such as vision")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--only", action="append", default=[], metavar="CHECK", help="only this check; repeatable")
    given = parser.parse_args(arguments)
    began, out, results = time.perf_counter(), sys.stdout, list[dict[str, Any]]()

    def tell(result: dict[str, Any]) -> None:
        results.append(result)
        if not given.json:
            line = f"{'ok  ' if result['passed'] else 'FAIL'} {result['name']}"
            print(line + (f"\n     {result['message']}" if result["message"] else ""), file=out, flush=True)

    try:
        with contextlib.redirect_stdout(sys.stderr):  # whatever a plugin prints is no part of the document
            from tlzoo import plugins
            from tlzoo.testing.running import run_suites

            installed = plugins.find(given.plugin)
            run_suites(tell, given.plugin, given.only)
    except (TlzooError, ModuleNotFoundError) as error:
        print(f"Error: {missing_extra(error) or error}", file=sys.stderr)
        return 2
    failed = sum(not result["passed"] for result in results)
    seconds = round(time.perf_counter() - began, 2)
    if given.json:
        known = {"plugin": given.plugin, "distribution": installed.distribution, "version": installed.version}
        document = {**known, "passed": not failed, "seconds": seconds, "results": results}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(f"{len(results) - failed} passed, {failed} failed, {seconds} s")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
