"""What the hub lists of a repository, and its errors in one line. HF_ENDPOINT and HF_TOKEN are honoured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from tlzoo.errors import Offline, SourceError, TlzooError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

_TIMEOUT_S = 30.0


class Listing(NamedTuple):
    """A commit of a repository: its id, by path the sizes and the hashes of large files, and all else that is said."""

    revision: str
    sizes: Mapping[str, int]
    sha256: Mapping[str, str]
    info: ModelInfo


def api() -> HfApi:
    """The hub that HF_ENDPOINT names."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="tlzoo")


def listing(hub: HfApi, repo: str, revision: str | None) -> Listing:
    """The files at this commit, else at the newest. Raises what huggingface_hub raises, and SourceError."""
    info = hub.model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
    commit = revision or info.sha
    if commit is None:
        raise SourceError(f"The hub names no commit of {repo}.", hint="Check HF_ENDPOINT.")
    files = info.siblings or []
    return Listing(
        commit,
        {file.rfilename: file.size or 0 for file in files},
        {file.rfilename: file.lfs.sha256 for file in files if file.lfs and file.lfs.sha256},
        info,
    )


def status_of(cause: Exception) -> int | None:
    """The status that the hub answered with; `None` where it did not answer."""
    return getattr(getattr(cause, "response", None), "status_code", None)


def hub_error(cause: Exception, what: str) -> TlzooError:
    """What huggingface_hub raised while it was asked for `what`."""
    reason = " ".join(str(cause).split())[:300] or type(cause).__name__
    if (status := status_of(cause)) is not None:
        return SourceError(f"The hub answered {status} for {what}.", hint="Try again later.")
    if isinstance(cause, ValueError | TypeError | LookupError | AttributeError):
        return SourceError(f"The hub's description of {what} cannot be used: {reason}", hint="Check HF_ENDPOINT.")
    return Offline(
        f"The hub could not be asked for {what}: {type(cause).__name__}: {reason}.",
        hint="Check the network, or name a mirror with HF_ENDPOINT. Without a hub: tlzoo models --text by-package",
    )
