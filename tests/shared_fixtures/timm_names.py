"""What becomes of every name that timm has weights of: an entry, or a refusal with its reason; on the meta device."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from shared_fixtures.families.page import PAGE

RENEW = "uv run python tools/timm_names.py"
_TABLE = re.compile(r"(<!-- timm: names -->\n)(.*?)(<!-- end -->)", re.DOTALL)


class Row(NamedTuple):
    """Of one of timm's modules: how many names come out alike, `builds` or `refused`, and why."""

    module: str
    outcome: str
    names: int
    reason: str


@cache
def modules() -> Mapping[str, list[str]]:
    """The names that timm has weights of, by the module that builds them."""
    import timm
    from timm.models import model_entrypoint

    found = defaultdict(list)
    for name in timm.list_pretrained():
        found[model_entrypoint(name.partition(".")[0]).__module__.rpartition(".")[2]].append(name)
    return found


def rows(module: str) -> list[Row]:
    """The rows of one module; raises what is no refusal, with the name."""
    found: Counter[tuple[str, str]] = Counter()
    known: dict[tuple[object, ...], str] = {}
    for name in modules()[module]:
        like = _what_decides(name)
        if like not in known:
            known[like] = refusal(name)
        reason = known[like]
        found["refused" if reason else "builds", reason] += 1
    return sorted(Row(module, outcome, count, reason) for (outcome, reason), count in found.items())


def _what_decides(name: str) -> tuple[object, ...]:
    """What an entry's network is built of, and whether its weights can be fetched: alike for many tags."""
    from timm.models import get_pretrained_cfg

    given = get_pretrained_cfg(name)
    return name.partition(".")[0], given.input_size, given.mean, given.hf_hub_id is None, given.hf_hub_filename


def refusal(name: str) -> str:
    """Why a name is refused; empty where it is an entry whose weights, by their names and shapes, load."""
    from tlzoo_vision.backbone import _create
    from tlzoo_vision.resolving import resolve_timm
    from tlzoo_vision.weights import load_state

    from tlzoo.errors import RegistryError
    from tlzoo.plugin import meta_device

    try:
        entry = resolve_timm(f"timm/{name}")
    except RegistryError as error:
        said = error.message.replace(f"timm/{name}", "it").replace(repr(name.partition(".")[0]), "it")
        return re.sub(r": https?://\S*$", "", said).strip(" :.")
    with meta_device():
        whole, net = _create(entry, headless=False), _create(entry, headless=True)
        load_state(entry, net, whole.state_dict(), whole.state_dict().keys())
    return ""


def read() -> dict[str, list[Row]]:
    """The table's rows by module."""
    found = defaultdict(list)
    match = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    for line in match[2].splitlines()[2:] if match else ():
        module, outcome, names, reason = (cell.strip() for cell in line.strip("|").split("|"))
        found[module].append(Row(module, outcome, int(names), reason))
    return found


def write(found: Mapping[str, list[Row]]) -> None:
    """Put these rows into the page."""
    head = ["| module | outcome | names | reason |", "|---|---|---|---|"]
    lines = [f"| {' | '.join(map(str, row))} |".replace("  ", " ") for module in sorted(found) for row in found[module]]
    text = PAGE.read_text(encoding="utf-8")
    made = "\n".join([*head, *lines]) + "\n"
    PAGE.write_text(_TABLE.sub(lambda match: f"{match[1]}{made}{match[3]}", text), encoding="utf-8")
