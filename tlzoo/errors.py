"""The errors a user can cause. Each says what failed, and where it can, what to type next.

TlzooError
├── RegistryError          a registry file or entry is wrong
│   └── UnknownCheckpoint  no entry has this id
├── SourceError            weights could not be fetched
│   ├── HashMismatch       a file does not match its pinned hash
│   └── Offline            the network is needed and unavailable
├── PluginError            a plugin is missing, broken or in conflict
│   └── HookError          a plugin's hook raised or returned the wrong thing
├── DataError              a data set cannot be read or used
│   └── InputError         one picture, text or recording cannot be read
├── UsageError             an option is invalid
├── TrainingError          training cannot continue
├── RunError               a run folder is missing, damaged or of another version
├── ExportError            the model could not be exported
│   └── ParityError        the exported file does not equal the trained model
├── ArtifactError          an ONNX file is not one that tlzoo can run
└── WriteError             a file cannot be written: the disk is full, read-only or broken
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class TlzooError(Exception):
    """`message` is one line; `hint` says what to do or type next.

    `parameter` names the argument that is wrong, where it is one. Message and hint then have arguments between
    backticks, as Python spells them: `epochs`, `cache=False`. The command line shows them as its flags.
    """

    def __init__(self, message: str, *, hint: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.parameter = parameter

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        end = "" if self.message.endswith((".", "!", "?", ":")) else "."  # another's message may be the end of it
        return f"{self.message}{end} {self.hint}"


@contextmanager
def concerning(
    parameter: str, kind: type[TlzooError] | None = None, *, inner: str = "", named: bool = False
) -> Iterator[None]:
    """An error of this kind, else a UsageError, that is raised meanwhile and names no argument is about this one.

    So is one that names `inner`: the same value's name where it was passed on to. With `named` its message begins with
    the argument, for what is said of a value alone, such as a key.
    """
    try:
        yield
    except TlzooError as error:
        if isinstance(error, kind or UsageError) and error.parameter in ("", inner):
            error.parameter = parameter
            error.message = f"`{parameter}`: {error.message}" if named else error.message
        raise


class RegistryError(TlzooError):
    """A registry file or entry is wrong."""


class UnknownCheckpoint(RegistryError):
    """No registry has an entry of this id."""


class SourceError(TlzooError):
    """Weights could not be fetched."""


class HashMismatch(SourceError):
    """A fetched file does not match its pinned hash."""


class Offline(SourceError):
    """The network is needed and unavailable, or switched off."""


class PluginError(TlzooError):
    """A plugin is missing, broken or in conflict with another."""


class HookError(PluginError):
    """A plugin's hook raised, or returned something of the wrong type."""


class DataError(TlzooError):
    """A data set cannot be read or used."""


class InputError(DataError):
    """One picture, text or recording cannot be read."""


class UsageError(TlzooError):
    """An option is invalid."""


class TrainingError(TlzooError):
    """Training cannot continue."""


class RunError(TlzooError):
    """A run folder is missing, damaged or of another version."""


class ExportError(TlzooError):
    """The model could not be exported."""


class ParityError(ExportError):
    """The exported file does not equal the trained model."""


class ArtifactError(TlzooError):
    """An ONNX file is not one that tlzoo can run."""


class WriteError(TlzooError, OSError):
    """A file cannot be written: the disk is full, read-only or broken. `filename`, `errno` and `strerror` say more."""

    errno: int
    filename: str

    def __init__(
        self, file: str | os.PathLike[str], number: int, *, message: str = "", hint: str = "", parameter: str = ""
    ) -> None:
        reason = os.strerror(number)
        super().__init__(
            message or f"{os.fspath(file)} cannot be written: {reason}.",
            hint=hint or _DISK_HINTS.get(number, "Choose another folder, or make this one writable."),
            parameter=parameter,
        )
        self.errno, self.strerror, self.filename = number, reason, os.fspath(file)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without its full stop; of one that says nothing, its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")


_DISK_HINTS = {
    errno.ENOSPC: "Free disk space there, or choose another folder; then run the command again.",
    errno.EDQUOT: "Free some of your disk quota, or choose another folder; then run the command again.",
    errno.EFBIG: "Raise the limit (ulimit -f), or choose a file system that takes files of this size.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.EIO: "The disk reports an error: check it, or choose another one; then run the command again.",
    errno.EEXIST: "Remove it, or choose another name.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n).",
}
