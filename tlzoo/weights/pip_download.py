"""Run as a script: download one archive of a project, by exact file name, with the user's pip configuration.

    python -P pip_download.py PROJECT ARCHIVE FOLDER LIMIT

`pip download` would run the setup script of an sdist and insist on wheels for this machine; this uses pip's
configuration, session and finder, and writes the file; one of more than LIMIT bytes is refused. It imports nothing
of tlzoo. On standard output stand JSON lines: {"kind": "start", "total"}, {"kind": "more", "bytes"}, and a last
{"kind", "message"} where it failed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from optparse import Values
from pathlib import Path
from typing import Any

_ATTEMPTS = 4
_REPORT_EVERY = 1 << 16


class TooLarge(Exception):
    """The archive has more bytes than allowed."""


def tell(kind: str, **more: object) -> None:
    """One line for the process that waits."""
    print(json.dumps({"kind": kind, **more}), flush=True)


def end_with_parent() -> None:
    """Stop as soon as the process that started this one is gone and its end of our standard input closes."""

    def wait() -> None:
        # Not through sys.stdin: a thread inside its buffer makes the interpreter's end fail.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: list[str]) -> int:
    """Download; the exit status is 0 when the whole file is there."""
    try:
        command = make_command()
    except (ImportError, AttributeError) as cause:
        tell("internals", message=f"{type(cause).__name__}: {cause}")
        return 3
    return int(command.main([*arguments, "--quiet", "--quiet", "--quiet", "--disable-pip-version-check"]))


def make_command() -> Any:
    """A pip command that reads the configuration of `pip download` and does our work instead."""
    from pip._internal.commands.download import DownloadCommand
    from pip._internal.exceptions import NetworkConnectionError, PipError
    from pip._vendor.requests import RequestException
    from pip._vendor.urllib3.exceptions import HTTPError

    class ArchiveCommand(DownloadCommand):  # type: ignore[misc]
        ignore_require_venv = True

        def run(self, options: Values, args: list[str]) -> int:
            project, archive, folder, limit = args
            try:
                return download(self, options, project, archive, Path(folder), int(limit))
            except TooLarge as cause:
                tell("too-large", message=str(cause))
            except NetworkConnectionError as cause:  # the server answered, with a status that is an error
                tell("broken", message=str(cause))
            except (RequestException, HTTPError) as cause:
                tell("unreachable", message=f"{type(cause).__name__}: {cause}")
            except PipError as cause:
                kind = "unreachable" if type(cause).__name__ in _CONNECTION_ERRORS else "broken"
                tell(kind, message=plain(cause))
            except OSError as cause:
                tell("broken", message=str(cause))
            except (ImportError, AttributeError, TypeError) as cause:
                tell("internals", message=f"{type(cause).__name__}: {cause}")
            return 3

    return ArchiveCommand("download", "Download one archive")


# Newer versions of pip wrap the connection errors of requests in their own.
_CONNECTION_ERRORS = {"ConnectionFailedError", "ConnectionTimeoutError", "ProxyConnectionError", "SSLVerificationError"}


def plain(cause: BaseException) -> str:
    """An error of pip in one line."""
    return re.sub(r"\[/?[a-z ]*\]", "", " ".join(str(getattr(cause, "message", None) or cause).split()))


def download(command: Any, options: Values, project: str, archive: str, folder: Path, limit: int) -> int:
    """Find the link and write the file; 0 when it worked, 3 after telling that there is no such link."""
    session = command.get_default_session(options)
    failures = record_failures(session)
    link = find_link(command._build_package_finder(options, session), project, archive)
    if link is None and failures:
        tell("unreachable", message=failures[-1])
        return 3
    if link is None:
        tell("missing", message="not listed by any index or find-links that pip is configured with")
        return 3
    if link.is_file:
        check_size(Path(link.file_path).stat().st_size, limit)
        shutil.copyfile(link.file_path, folder / archive)
    else:
        receive(session, link.url_without_fragment, folder / archive, limit)
    return 0


def check_size(size: int, limit: int) -> None:
    """Raises TooLarge."""
    if size > limit:
        raise TooLarge(f"it has {size} bytes, more than the {limit} that are allowed or free")


def record_failures(session: Any) -> list[str]:
    """The connection errors from here on; pip's finder keeps them to itself and goes on to the next index."""
    failures: list[str] = []
    request = session.request

    def recording(*args: Any, **options: Any) -> Any:
        try:
            return request(*args, **options)
        except Exception as cause:
            failures.append(plain(cause))
            raise

    session.request = recording
    return failures


def find_link(finder: Any, project: str, archive: str) -> Any:
    """The link whose file name is exactly `archive`, whatever platform or Python it is for."""
    from pip._internal.index.package_finder import LinkType

    class ExactName:
        project_name = project

        def evaluate_link(self, link: Any) -> tuple[Any, str]:
            return (LinkType.candidate, "0") if link.filename == archive else (LinkType.different_project, "other file")

    finder.make_link_evaluator = lambda name: ExactName()
    return next((candidate.link for candidate in finder.find_all_candidates(project)), None)


def receive(session: Any, url: str, path: Path, limit: int) -> None:
    """Write what the address gives, taking up a broken connection where it broke."""
    from pip._internal.network.utils import HEADERS, raise_for_status
    from pip._vendor.requests import RequestException
    from pip._vendor.urllib3.exceptions import HTTPError

    done = 0
    with path.open("wb") as file:
        for attempt in range(1, _ATTEMPTS + 1):
            headers = {**HEADERS, "Range": f"bytes={done}-"} if done else HEADERS
            response = session.get(url, headers=headers, stream=True)
            raise_for_status(response)
            if done and response.status_code != 206:
                done = 0
                file.seek(0)
                file.truncate()
            total = int(response.headers.get("Content-Length") or 0) + done
            check_size(total, limit)
            if attempt == 1:
                tell("start", total=total or None)
            try:
                for chunk in chunks_of(response):
                    done += len(chunk)
                    check_size(done, limit)
                    file.write(chunk)
                    tell("more", bytes=len(chunk))
            except (RequestException, HTTPError):
                if attempt == _ATTEMPTS:
                    raise
            if done >= total:
                return
    raise OSError(f"the connection broke {_ATTEMPTS} times; {done} of {total} bytes came")


def chunks_of(response: Any) -> Iterator[bytes]:
    """The body, undecoded, in pieces of 64 KiB."""
    yield from response.raw.stream(_REPORT_EVERY, decode_content=False)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
