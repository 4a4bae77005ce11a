"""`tlzoo verify`. Torch-free."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.shared.options import Data, Json, LabelColumn, Others, PathColumn, Quiet, TextColumn, columns
from tlzoo.cli.shared.output import announce_file, print_json, single


def verify(
    file: Annotated[Path, typer.Argument(help="An exported ONNX file")],
    data: Data,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Repeat an ONNX file's proof on its held-out data, on this machine, without torch."""
    announce_file(file, quiet)
    from tlzoo.workflows.verify import verify as repeat

    found = repeat(file, data, columns=columns(text_column, path_column, label_column, column))
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
        print(f"{found.missing} samples of the original proof are not in {data}")
    for name, value in (found.metrics or {}).items():
        print(f"{name}\t{value:.4f} here, {found.n} samples\t{found.exported_metrics[name]:.4f} when exported")


app = single(verify)
