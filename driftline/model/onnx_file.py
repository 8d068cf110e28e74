"""ONNX file of a version: read from the registry, compared on its training set, and written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from driftline.model.known import chosen_version
from learning.exchange.export import OUTPUTS, Exported, model_to_onnx
from learning.exchange.parity import Parity, checked_parity
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes
from resources.connections import Connections, connect
from resources.deployment import deployment
from resources.lake.lake import scan
from resources.model_registry.ledger import read_ledger, trusted_sha256
from resources.model_registry.version import ModelVersion

SEED = 0
"""Seed of the rows of the parity check."""


N_DRAWN = 50_000
"""Rows of the training set from which those of the parity check are drawn."""


class OnnxFileError(DriftlineError):
    """The file cannot be written where it is asked for, or the version has no training set to be compared on."""


@dataclass(frozen=True)
class Written:
    """A version that was written as ONNX."""

    version: int
    file: Path
    exported: Exported
    model: FittedModel
    parity: Parity

    @property
    def inputs(self) -> Mapping[str, str]:
        """Type of each input by its name."""
        columns = self.model.encoding.columns
        return {column.name: "text" if column.kind == "category" else "double" for column in columns}


def write_onnx(pipeline: Pipeline, number: int | None, file: Path | None, *, is_overwriting: bool) -> Written:
    """Write a version that was judged, by default the one that serves.

    Raises
    ------
    UnknownVersionError
        If there is no such version.
    ExportError
        If the model cannot be written, or the file does not answer as the model does.
    OnnxFileError
        If the file is there already, or the training set is not.
    """
    row = chosen_version(pipeline, number)
    target = file or Path(f"{pipeline.name}-{row.version}.onnx")
    if target.exists() and not is_overwriting:
        raise OnnxFileError(f"{target} is there already. Name another file with --to, or give --overwrite.")
    connections = connect(deployment(os.environ))
    version = connections.registry.version(pipeline.name, row.version)
    sha256 = trusted_sha256(read_ledger(connections.lake, pipeline.name), row.version)
    content = connections.registry.model_file(pipeline.name, row.version, sha256=sha256)
    model = model_from_bytes(content, ledger_sha256=sha256)
    notes = {
        "driftline.pipeline": pipeline.name, "driftline.version": str(row.version), "driftline.model_sha256": sha256,
    }  # fmt: skip
    exported = model_to_onnx(model, notes)
    parity = _compared(pipeline, version, model, exported, connections)
    _write(target, exported.content)
    return Written(row.version, target, exported, model, parity)


def _compared(
    pipeline: Pipeline,
    version: ModelVersion,
    model: FittedModel,
    exported: Exported,
    connections: Connections,
) -> Parity:
    snapshot = connections.lake.snapshot(pipeline.table("training_set"), version.training_table_version)
    with connections.engine.connect() as connection:
        # As many rows as are drawn, spread over all of them.
        rows = connection.sql(
            f"SELECT * FROM {scan(snapshot, [version.training_partition])} USING SAMPLE reservoir({N_DRAWN} ROWS) REPEATABLE ({SEED})"
        ).to_arrow_table()
    if rows.num_rows == 0:
        raise OnnxFileError(
            f"the training set of version {version.version}, {snapshot.table}@{snapshot.version}, has no rows of "
            f"{version.training_partition}: there is nothing to compare on, and nothing is written."
        )
    return checked_parity(model, exported, rows, seed=SEED)


def _write(target: Path, content: bytes) -> None:
    """Write a file that is there whole, or not at all."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OnnxFileError(
            f"{target} cannot be written: {error.strerror}. Name another file with --to."
        ) from error


def export_document(pipeline: str, written: Written) -> Mapping[str, object]:
    """Return what was written as JSON; its keys are those of the command."""
    parity = written.parity
    return {
        "pipeline": pipeline,
        "version": written.version,
        "file": str(written.file.resolve()),
        "size_bytes": len(written.exported.content),
        "sha256": hashlib.sha256(written.exported.content).hexdigest(),
        "inputs": dict(written.inputs),
        "output": OUTPUTS[written.model.problem],
        "classes": list(written.model.classes),
        "missing_text": written.exported.missing_text,
        "n_rows": parity.n_rows,
        "n_missing": parity.n_missing,
        "n_unknown": parity.n_unknown,
        "largest_difference": parity.largest,
        "tolerance": parity.tolerance,
    }


def print_export(pipeline: str, written: Written) -> None:
    """Say what was written, and how it was compared."""
    parity, model = written.parity, written.model
    texts = sum(kind == "text" for kind in written.inputs.values())
    click.echo(f"Version {written.version} of {pipeline} ({model.name}) is written to {written.file}.")
    click.echo(
        f"  inputs   {len(written.inputs)} by the features' names, each of shape (n, 1): {len(written.inputs) - texts} doubles, "
        f"{texts} texts; missing are NaN and '{written.exported.missing_text}'"
    )
    order = f", in the order {', '.join(model.classes)}" if model.classes else ""
    click.echo(f"  output   {OUTPUTS[model.problem]}{order}")
    if steps := [
        name for name in ("intervals", "quantiles") if getattr(model.postprocessing, name) is not None
    ]:
        click.echo(
            f"  {' and '.join(steps)} are no outputs: the file answers with the value alone, and has their distances from it in its "
            f"metadata ({', '.join(f'driftline.{name}' for name in steps)})"
        )
    click.echo(
        f"  parity   {parity.n_rows:,} rows ({parity.n_missing:,} values missing, {parity.n_unknown:,} unknown texts): scores differ "
        f"by {parity.largest:.2g} at most; {parity.tolerance:g} is allowed"
    )
    click.echo(
        f"  size     {len(written.exported.content):,} bytes, sha256 "
        f"{hashlib.sha256(written.exported.content).hexdigest()}"
    )
