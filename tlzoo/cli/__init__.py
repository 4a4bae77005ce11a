"""The command line. A command's module is imported only when that command runs."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from types import FrameType

COMMANDS = {
    "demo": "Run the whole chain on real weights and small real data",
    "models": "List the checkpoints of the registry, or show one",
    "pull": "Download and verify a checkpoint's weights",
    "finetune": "Train a head (and more) on your labelled data",
    "evaluate": "Measure a run or an ONNX file on labelled data",
    "adapt": "Adapt a run to unlabelled data of another domain",
    "export": "Write one ONNX file from a run and prove it equal",
    "predict": "Label files or texts with an ONNX file, without torch",
    "inspect": "Print what an ONNX file says of itself",
    "plugins": "List, install and uninstall plugins",
}
_USAGE = "Usage: tlzoo [--debug] [--version] COMMAND [OPTIONS]   (tlzoo COMMAND --help)"


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0, 2 for a user's error, 1 for a bug, 130 or 143 when stopped."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or os.environ.get("TLZOO_DEBUG") == "1"
    arguments = [a for a in arguments if a != "--debug"]
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        from tlzoo import __version__

        print(__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        print(
            f"Error: no command {name!r}." + (f" Did you mean: tlzoo {near[0]}" if near else " See: tlzoo --help"),
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, _terminate)
    return _run(name, rest, debug)


def _help() -> str:
    rows = [f"  {name:<10} {what}" for name, what in COMMANDS.items()]
    return "\n".join([_USAGE, "", "Transfer learning that ends in one proven ONNX file.", "", "Commands:", *rows])


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(143)


def _run(name: str, arguments: list[str], debug: bool) -> int:
    from tlzoo.errors import TlzooError

    try:
        app = importlib.import_module(f"tlzoo.cli.{name}").app
        app(arguments, prog_name=f"tlzoo {name}")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except TlzooError as error:
        if debug:
            raise
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if debug:
            raise
        print(f"Bug: {type(error).__name__}: {error}. Run again with --debug and report the trace.", file=sys.stderr)
        return 1
    return 0
