"""`tlzoo.export`: from a run to a file that is proven equal to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tlzoo.artifact.manifest import Precision
from tlzoo.data import Columns, check_columns
from tlzoo.errors import UsageError
from tlzoo.exporting.choices import check_export
from tlzoo.options import Thresholds
from tlzoo.options.arguments import check_paths, check_shares, check_switches, check_texts, not_none
from tlzoo.plugins.containment import guard_workflow
from tlzoo.runs.run import RunFolder

if TYPE_CHECKING:
    from tlzoo.exporting.export import Exported


@guard_workflow()
def export(
    run: str | Path | RunFolder,
    out: str | Path,
    *,
    data: str | Path | None = None,
    precision: Precision | Literal["auto"] | str = "fp32",
    raw_input: bool = False,
    format: Literal["onnx", "triton", "web"] | str = "onnx",
    thresholds: Thresholds | Mapping[str, float] | None = None,
    trained_on: bool = True,
    sign: str | Path | None = None,
    columns: Columns | None = None,
    skip_broken: float = 0.0,
) -> Exported:
    """Write one ONNX file from a run and prove it equal to the trained model on held-out samples.

    `data` names labelled samples to prove it on; by default the run's own test part. `columns` says how
    tables of it are written where not as those of the training (see `tlzoo.data.Columns`). Up to the share
    `skip_broken` of it, samples that cannot be read are left out. `precision` is fp32, fp16, int8 or
    auto, which takes the fastest on this machine that passes its proof. With `raw_input` the graph resizes and crops
    pictures itself. `format` is onnx (one file), triton (a model repository), web (a page) or a plugin's. `thresholds`,
    such as `tlzoo.Thresholds(drop=1)` or `{"drop": 1}`, replace those of the precision. `trained_on` puts a filter into
    the file by which `tlzoo.evaluate` knows samples it was trained on (see `tlzoo.artifact.trained_on`).
    `sign` is a file with an Ed25519 private key (PEM): `tlzoo.load` with `trusted` takes what it signed, nothing else.

    Nothing appears at `out` unless the proof holds. Raises ParityError when it does not; where only a lower precision
    fails, the fp32 file is kept beside `out` and named. ExportError when the graph cannot be written, UsageError for
    options that cannot be, DataError when the held-out data is gone, RunError for what is no run.
    """
    check_paths(out=out, **not_none(data=data, sign=sign))
    check_texts(precision=precision, format=format)
    check_switches(raw_input=raw_input, trained_on=trained_on)
    check_shares(skip_broken=skip_broken)
    columns = check_columns(columns)
    if columns and data is None:
        raise UsageError("`columns` has no effect without `data`.", hint="Leave it out.", parameter="columns")
    if skip_broken and data is None:
        raise UsageError(
            f"`skip_broken={skip_broken}` has no effect without `data`.",
            hint="Leave it out: the run knows what was left out of its own data.",
            parameter="skip_broken",
        )
    opened, asked = RunFolder.of(run), Thresholds.of(thresholds)
    chosen: dict[str, Any] = {
        "data": data,
        "precision": precision,
        "raw_input": raw_input,
        "format": format,
        "thresholds": asked,
        "sign": sign,
    }
    check_export(opened, Path(out), **chosen)
    from tlzoo.exporting.export import export as write

    return write(opened, out, trained_on=trained_on, columns=columns, skip_broken=skip_broken, **chosen)
