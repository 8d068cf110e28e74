"""`driftline model export [NAME] [VERSION]`: a version as an ONNX file, if it answers as the model does."""

from __future__ import annotations

from pathlib import Path

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument
from driftline.model.arguments import named_version
from driftline.printing import print_json

KEYS = {
    "pipeline": "its name",
    "version": "version that was written",
    "file": "where",
    "size_bytes": "size of the file",
    "sha256": "its hash",
    "inputs": "type of each input by its name: double or text",
    "output": "name of the output",
    "classes": "multiclass: the labels in the order of the output; else empty",
    "missing_text": "text that stands for no text; for no number it is NaN",
    "n_rows": "rows of the parity check",
    "n_missing": "values that were missing in it",
    "n_unknown": "texts that no training knew",
    "largest_difference": "largest difference of two scores; of values, as a share",
    "tolerance": "how large it may be",
}


@click.command()
@name_argument
@click.argument("version", metavar="[VERSION]", required=False, type=int)
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; by default NAME-VERSION.onnx here.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_output(KEYS)
def export(name: str | None, version: int | None, file: Path | None, overwrite: bool, as_json: bool) -> int:
    """Write a version as ONNX, if it answers as the model does.

    By default the version that serves. Inputs are the features by name, numbers as doubles and texts as they are; the output is
    a probability, one for each class, or a value. Before the file is written, 10,000 rows of the version's training
    set, with values taken away, unknown texts and huge numbers put in, are scored by both; where the answers differ, or
    the algorithm cannot be written, nothing is written and the reason told. Needs the extra onnx.
    """
    from declaration.extras import require_extra
    from driftline.model.onnx_file import export_document, print_export, write_onnx
    from pipelines.loading.declared import find_pipeline

    name, version = named_version(name, version)
    require_extra("onnx", "`driftline model export`")
    pipeline = find_pipeline(name)
    written = write_onnx(pipeline, version, file, is_overwriting=overwrite)
    if as_json:
        print_json(export_document(pipeline.name, written))
    else:
        print_export(pipeline.name, written)
    return SUCCESS
