"""`python -m tlzoo.testing NAME`: run a plugin's conformance suite; exit 0 when every check passes, else 2."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from dataclasses import asdict, replace

from tlzoo.errors import TlzooError


def main(arguments: list[str] | None = None) -> int:
    """Run it; with `--json` one document on stdout: {plugin, distribution, version, passed, seconds, results}."""
    parser = argparse.ArgumentParser(prog="python -m tlzoo.testing", description="Run a plugin's conformance suite.")
    parser.add_argument("plugin", help="the plugin's name, such as vision")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--only", action="append", default=[], metavar="CHECK", help="only this check; repeatable")
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # whatever a plugin prints is no part of the document
            from tlzoo import plugins
            from tlzoo.testing.running import run, suites_of

            installed = plugins.find(given.plugin)
            results = [
                replace(result, name=f"{name}.{result.name}" if name else result.name)
                for name, suite in suites_of(given.plugin).items()
                for result in run(suite, given.only)
            ]
    except TlzooError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"Error: {error}. Install what training needs: pip install 'tlzoo[train]'", file=sys.stderr)
        return 2
    passed = all(result.passed for result in results)
    seconds = round(time.perf_counter() - began, 2)
    if given.json:
        document = {
            "plugin": given.plugin,
            "distribution": installed.distribution,
            "version": installed.version,
            "passed": passed,
            "seconds": seconds,
            "results": [asdict(result) for result in results],
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return 0 if passed else 2
    for result in results:
        print(
            f"{'ok  ' if result.passed else 'FAIL'} {result.name}"
            + (f"\n     {result.message}" if result.message else "")
        )
    failed = sum(not result.passed for result in results)
    print(f"{len(results) - failed} passed, {failed} failed, {seconds} s")
    return 0 if passed else 2


if __name__ == "__main__":
    sys.exit(main())
