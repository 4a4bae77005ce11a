"""How to cite a checkpoint: the citation in its entry, else one made from the address of its paper."""

from __future__ import annotations

import re

from tlzoo.registry.schema import Checkpoint

_ARXIV = re.compile(
    r"https?://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?(?:\.pdf)?$"
)
_DOI = re.compile(r"https?://(?:dx\.)?doi\.org/(10\.\S+)$")


def bibtex(checkpoint: Checkpoint) -> str | None:
    """BibTeX for a checkpoint's paper; `None` where the entry names none.

    The entry's own `citation` as it is. From `paper` only what its address proves: arXiv's identifier, a DOI or the
    address itself; title and authors are left for the reader to take from there.
    """
    if checkpoint.citation or not checkpoint.paper:
        return checkpoint.citation
    if arxiv := _ARXIV.match(checkpoint.paper):
        fields = {"eprint": arxiv[1], "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{arxiv[1]}"}
    elif doi := _DOI.match(checkpoint.paper):
        fields = {"doi": doi[1], "url": checkpoint.paper}
    else:
        fields = {"url": checkpoint.paper}
    key = re.sub(r"[^A-Za-z0-9]+", "-", checkpoint.id)
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}}}"
