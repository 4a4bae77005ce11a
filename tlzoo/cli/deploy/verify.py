"""`tlzoo verify`. Torch-free."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import (
    Json,
    LabelColumn,
    Others,
    PathColumn,
    Quiet,
    SkipBroken,
    TextColumn,
    columns,
    says_how_written,
    share_of,
)
from tlzoo.cli.shared.output import announce_file, print_json, single
from tlzoo.errors import UsageError
from tlzoo.progress import one_line


@says_how_written()
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An exported ONNX file; with --seal also a run, or a folder of files")
    ],
    data: Annotated[
        Path | None, typer.Argument(metavar="DATA", help="The data that was held out at export; none with --seal")
    ] = None,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    skip_broken: SkipBroken = "0%",
    *,
    written: dict[str, Any],
    seal: Annotated[bool, typer.Option("--seal", help="Only check that no byte changed since the export")] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Repeat an ONNX file's proof on its held-out data, on this machine, without torch; or check its seal alone."""
    if seal or data is None:
        _check_seal(file, data, seal, json)
        return
    announce_file(file, quiet)
    from tlzoo.artifact.trained_on import seen_sentence
    from tlzoo.workflows.verify import verify as repeat

    named = columns(text_column, path_column, label_column, column, written)
    share = share_of("--skip-broken", skip_broken)
    found = repeat(file, data, columns=named, skip_broken=share)
    parity = found.parity
    if json:
        print_json({"file": str(file), **asdict(found), "parity": parity.model_dump(mode="json", exclude_none=True)})
        return
    print(
        f"{file} passes its proof: {parity.counted} at batches "
        f"{', '.join(map(str, parity.batches))}, answers agree on {parity.top1_agreement:.1%}, outputs differ by "
        f"{parity.max_abs_diff:.1e} at most ({parity.tolerance:.1e} allowed), most on {found.worst}"
    )
    if found.missing:
        print(one_line(f"{found.missing} samples of the original proof are not in {data}"))
    if said := seen_sentence(found.trained_on, found.n):
        print(said)
    for name, value in (found.metrics or {}).items():
        print(f"{name}\t{value:.4f} here, {found.n} samples\t{found.exported_metrics[name]:.4f} when exported")


def _check_seal(file: Path, data: Path | None, asked: bool, json: bool) -> None:
    """Say of an exported file, or of each in a folder, that it is unchanged."""
    if not asked:
        raise UsageError(
            "DATA is missing.",
            hint="Name the held-out data on which to repeat the proof, or only check the file with --seal.",
        )
    if data is not None:
        raise UsageError("--seal takes no DATA.", hint="Leave out DATA, or leave out --seal to repeat the proof on it.")
    from tlzoo.artifact.seal import check_path
    from tlzoo.runs.record import check_run, looks_like_run

    found = check_run(file) if looks_like_run(file) else check_path(file)
    if json:
        print_json([{"file": str(each), "sha256": digest} for each, digest in found.items()])
        return
    for each, digest in found.items():
        print(f"{each} is unchanged since it was written: sha256 {digest}")


app = single(verify)
