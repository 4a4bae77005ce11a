"""The command line. A command's module is imported only when that command runs."""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

COMMANDS = {
    "demo": "Train, export and evaluate on small real data sets",
    "models": "List the checkpoints of the registry, or show one",
    "pull": "Download and verify a checkpoint's weights",
    "lock": "Pin every file of your checkpoints in tlzoo.lock",
    "cache": "List, verify and clean the cache",
    "finetune": "Fine-tune a checkpoint on your labelled data",
    "evaluate": "Compute metrics of a run or an ONNX file on labelled data",
    "adapt": "Adapt a run to unlabelled data of another domain",
    "export": "Export a run as one ONNX file, proven equal to the model",
    "verify": "Repeat an ONNX file's proof on your data, without torch",
    "predict": "Predict files or texts with an ONNX file, without torch",
    "bench": "Measure latency and throughput of an ONNX file",
    "inspect": "Print the manifest of an ONNX file",
    "registry": "Add and update registries; check, write and sign your own",
    "plugins": "List, install, check and create plugins",
}
_FOLDERS = {
    "train": ("finetune", "evaluate", "adapt"),
    "deploy": ("export", "verify", "predict", "bench", "inspect"),
    "storage": ("pull", "lock", "cache"),
}
_STOPPED = {
    **dict.fromkeys(("models", "evaluate", "verify", "bench", "inspect"), "Nothing was changed."),
    "cache": "What was not yet removed is still there. Run the same command again.",
    "demo": "The runs that are complete are kept. Run the same command again.",
    "plugins": "Run the same command again.",
    "predict": "Run the same command again; with --out it can go on where it was stopped.",
    "pull": "Files that arrived whole are in the cache. Run the same command again.",
}
"""What is said of a command that is stopped, where it says nothing more exact itself."""
_ENVIRONMENT = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
}
_PRINTING = {"bench", "evaluate", "inspect", "models", "predict", "verify"}
_LONGEST = 1500
_PATIENCE_S = 5
_CHECK_DISK = "Check the disk space and permissions."
_USAGE = "Usage: tlzoo [--debug] [--version] COMMAND [OPTIONS]   (tlzoo COMMAND --help)"


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0, 2 for a user's error, 1 for a bug, 130, 143 or 129 when stopped."""
    try:
        return _with_streams_flushed(_main(argv))
    except BrokenPipeError:
        return _stdout_closed()
    except OSError as error:  # of the help, or of a message
        if error.errno not in _ENVIRONMENT:
            raise
        return _with_streams_flushed(_fail(2, f"Error: {_unnamed_file(error)}: {error.strerror}. {_CHECK_DISK}"))


def program() -> None:
    """`main` as a program, which ends some seconds after its command even where a thread goes on, as a plugin's may."""
    import atexit
    import threading

    codes = [1]
    atexit.register(_end, codes, os.getpid())  # the first to be registered is the last to be called
    code = codes[0] = main()
    with suppress(OSError):  # the answer is whole: what code of plugins prints while the interpreter ends is not of it
        os.dup2(2, 1)
    first = threading.main_thread()
    if any(not thread.daemon and thread is not first for thread in threading.enumerate()):
        threading.Thread(target=_end_without_threads, args=(code,), daemon=True).start()
    sys.exit(code)


def _end(codes: list[int], process: int) -> None:
    """End this process, not one forked from it; the interpreter would take all apart that torch made, for 2 s."""
    if os.getpid() != process:
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # `main` has told what is lost
            stream.flush()
    os._exit(codes[0])


def _end_without_threads(code: int) -> None:
    """Wait while the interpreter waits for its threads, then end it."""
    import threading
    import time

    time.sleep(_PATIENCE_S)
    left = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    modules = {thread.name: getattr(getattr(thread, "_target", None), "__module__", None) for thread in left}
    names = ", ".join(f"{name!r}" + (f" ({module})" if module else "") for name, module in modules.items())
    print(f"Still running {_PATIENCE_S} s after the command: thread {names}. It is ended.", file=sys.stderr, flush=True)
    os._exit(code)


def _main(argv: list[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    closed = not sys.stdout
    _repair_streams()
    debug = "--debug" in arguments or os.environ.get("TLZOO_DEBUG") == "1"
    arguments = [a for a in arguments if a != "--debug"]
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        from tlzoo.version import __version__

        print(__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        from tlzoo.cli.shared.output import unknown_command

        return _fail(2, f"Error: {unknown_command(name, COMMANDS, 'tlzoo')}")
    if closed and _answers_on_stdout(name, rest):
        file = ", or use --out FILE" if name == "predict" else ""
        return _fail(2, f"Error: Standard output is closed, and the answer goes there. Leave it open{file}.")
    from tlzoo.io.stops import forget, handle_signals

    forget()
    handle_signals()
    return _run(name, rest, debug)


def _answers_on_stdout(name: str, arguments: list[str]) -> bool:
    """Whether a command is there for what it prints; others write files."""
    if {"--help", "-h"} & set(arguments):
        return False
    to_file = any(each == "--out" or each.startswith("--out=") for each in arguments)
    return bool({"--json", "--jsonl"} & set(arguments)) or (name in _PRINTING and not to_file)


def module_of(command: str) -> str:
    """The module that holds a command's `app`."""
    folder = next((f"{folder}." for folder, names in _FOLDERS.items() if command in names), "")
    return f"tlzoo.cli.{folder}{command}"


def _help() -> str:
    rows = [f"  {name:<10} {what}" for name, what in COMMANDS.items()]
    return "\n".join([_USAGE, "", "Transfer learning that ends in one proven ONNX file.", "", "Commands:", *rows])


def _repair_streams() -> None:
    """Send output to a stream that the shell has closed (`>&-`) to the null device, and escape what one cannot show."""
    if not sys.stdout or not sys.stderr:
        nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    if isinstance(sys.stdout, io.TextIOWrapper):  # a test's may be another
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name, where the terminal is not UTF-8


def _stdout_for(name: str, arguments: list[str]) -> AbstractContextManager[None]:
    """What keeps stdout for JSON where a command is asked for it, and from compiled code of plugins."""
    from_plugins = name == "models" or any(name in names for names in _FOLDERS.values())
    if {"--help", "-h"} & set(arguments) or not ({"--json", "--jsonl"} & set(arguments) or from_plugins):
        return nullcontext()
    from tlzoo.cli.shared.output import reserved_stdout, separate_stdout

    return reserved_stdout() if {"--json", "--jsonl"} & set(arguments) else separate_stdout()


def _named_while_silent(name: str, arguments: list[str]) -> AbstractContextManager[object]:
    """What names the command on stderr while it is silent for some seconds, as while torch is imported."""
    if {"--quiet", "-q"} & set(arguments):
        return nullcontext()
    from tlzoo.progress import working

    return working(f"tlzoo {name}")


def _notes_with_flags(app: Any) -> AbstractContextManager[None]:
    """While a command runs, its notes name options as it does."""
    from tlzoo.cli.shared.flags import with_flags
    from tlzoo.progress import spelled

    return spelled(lambda line: with_flags(line, app))


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """tlzoo's warnings, which are RuntimeWarning, in one line without the place in its code."""
    if category is not RuntimeWarning:
        return _default_formatwarning(message, category, filename, lineno, line)
    from tlzoo.progress import printable

    return f"Warning: {printable(' '.join(str(message).split()))}\n"


_default_formatwarning = warnings.formatwarning


def _run(name: str, arguments: list[str], debug: bool) -> int:
    from tlzoo.errors import TlzooError
    from tlzoo.io.stops import AGAIN, CODES, if_stopped, keep_note, say_stopped, stop_code

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else one distribution with damaged metadata stops it
    warnings.formatwarning = _format_warning
    app: Any = None
    gc.set_threshold(100_000, 50, 50)  # looking for garbage while torch is imported costs an eighth of that
    try:
        with if_stopped(_STOPPED.get(name, AGAIN)), _named_while_silent(name, arguments):
            app = importlib.import_module(module_of(name)).app
            with _stdout_for(name, arguments), _notes_with_flags(app):
                code = app(arguments, prog_name=f"tlzoo {name}", standalone_mode=False)
        sys.stdout.flush()
        if code in CODES:  # Click makes a code of Ctrl-C
            keep_note(_STOPPED.get(name, AGAIN))
            return say_stopped(code)
        return code if isinstance(code, int) else 0
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            return _stdout_closed()
        if (code := stop_code(stop)) is not None:
            return say_stopped(code)
        from tlzoo.plugins.attribution import raised_by_plugin

        if (fault := raised_by_plugin(stop)) is not None:
            return _fail(2, f"Error: {fault}")
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except KeyboardInterrupt as stop:
        return say_stopped(stop_code(stop) or 130)
    except BrokenPipeError:
        return _stdout_closed()
    except BaseException as error:  # noqa: BLE001 - what is no user's error is a bug, and is reported as one
        if (code := stop_code(error)) is not None:
            return say_stopped(code)
        if debug:
            import traceback

            traceback.print_exc()
        from tlzoo.cli.shared.flags import parser_message, with_flags
        from tlzoo.io.extras import missing_extra

        error = missing_extra(error) or error
        if isinstance(error, TlzooError):
            return _fail(2, f"Error: {with_flags(str(error), app) if error.parameter else error}")
        if hasattr(error, "format_message"):  # Click's errors, whichever copy of Click they come from
            command = getattr(getattr(error, "ctx", None), "command_path", f"tlzoo {name}")
            said = parser_message(error) or error.format_message().removesuffix(".") + "."
            return _fail(2, f"Error: {' '.join(said.split())} See: {command} --help")
        if isinstance(error, OSError) and error.errno in _ENVIRONMENT:
            name = error.filename or _unnamed_file(error)
            return _fail(2, f"Error: {name}: {error.strerror}. {_CHECK_DISK}")
        from tlzoo.plugins.attribution import plugin_error

        if (fault := plugin_error(error)) is not None:
            return _fail(2, f"Error: {fault}")
        what = " ".join(str(error).split())
        return _fail(1, f"Bug: {type(error).__name__}: {what}. Run again with --debug and report the trace.")


def _fail(code: int, message: str) -> int:
    from tlzoo.progress import one_line

    line = one_line(message)
    if len(line) > 2 * _LONGEST:  # a value in it, such as a cell or a label, may have a million characters
        line = f"{line[:_LONGEST]} ... {line[-_LONGEST:]}"
    try:
        print(line, file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError:  # stderr leads to a full disk
        pass
    return code


def _unnamed_file(error: OSError) -> str:
    """What an error without a file's name is of: stdout where a command printed, else nobody knows."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    module = "" if frame is None else str(frame.tb_frame.f_globals.get("__name__"))
    return "stdout" if module.startswith(("tlzoo.cli", "typer", "click", "rich")) else "A file"


def _with_streams_flushed(code: int) -> int:
    """The exit code; 2 where output was lost, as on a full disk, which is said if stderr still can be written to."""
    from tlzoo.progress import lines_lost

    failed = lines_lost()
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        try:
            stream.flush()
        except BrokenPipeError:
            continue
        except OSError as error:
            failed = True
            with suppress(OSError, ValueError):  # else the interpreter tries again when it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if name == "stdout" and not code:
                _fail(2, f"Error: stdout: {error.strerror}. {_CHECK_DISK}")
    return code or 2 * failed


def _stdout_closed() -> int:
    """The reader of the output has gone; keep the interpreter from writing to it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
