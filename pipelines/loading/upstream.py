"""Datasets of other pipelines: found in the project's declarations, and held against what is declared of them here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from declaration.datasets import DatasetSpec
from declaration.pipeline import Pipeline
from declaration.sources.upstream import DatasetSourceSpec
from declaration.spec import PipelineSpec
from declaration.upstream import UpstreamDataset, upstream_dataset
from pipelines.loading.problems import Fault, KeyPath, choices, label
from pipelines.loading.recovery import is_unreliable
from pipelines.loading.schema import validate
from pipelines.loading.yaml_lines import parse
from resources.project import ProjectError, project_at


@dataclass(frozen=True)
class Neighbours:
    """Declarations of the project beside one: looked for, and each read, when they are first asked for.

    Attributes
    ----------
    folder
        Folder of the one.
    file_name
        Name of a declaration's file.
    """

    folder: Path
    file_name: str
    _specs: dict[str, PipelineSpec | None] = field(default_factory=dict)

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """The declarations, by name of their pipeline; without a project those in folders beside it."""
        folder = self.folder.resolve()
        try:
            defs = project_at(folder).defs.resolve()
        except ProjectError:
            defs = folder
        in_project = folder != defs and folder.is_relative_to(defs)
        found = defs.rglob(self.file_name) if in_project else folder.parent.glob(f"*/{self.file_name}")
        return {file.parent.name: file for file in sorted(found, reverse=True) if file.parent != folder}

    def spec(self, name: str) -> PipelineSpec | None:
        """Return what a neighbour declares; None where its schema is violated."""
        if name not in self._specs:
            self._specs[name] = _spec_of(self.files[name])
        return self._specs[name]


def upstream_of(spec: PipelineSpec, beside: Neighbours) -> Mapping[str, UpstreamDataset]:
    """Return what datasets read of other pipelines, where that is there."""
    found: dict[str, UpstreamDataset] = {}
    for name, dataset, source in _readers(spec):
        other = beside.spec(source.pipeline) if source.pipeline in beside.files else None
        if other is not None and source.dataset in other.datasets:
            theirs = other.datasets[source.dataset]
            found[name] = upstream_dataset(
                dataset, spec.partitions,
                pipeline=source.pipeline, name=source.dataset, spec=theirs, cut=other.partitions,
            )  # fmt: skip
    return found


def upstream_faults(
    pipeline: Pipeline, beside: Neighbours, unreliable_paths: Collection[KeyPath]
) -> Iterator[Fault]:
    """Return what is wrong with the datasets of other pipelines that are read: names, columns, types, cycles."""
    for name, dataset, source in _readers(pipeline.spec):
        at = ("datasets", name)
        if is_unreliable((*at, "source"), unreliable_paths):
            continue
        here = (*at, "source", "pipeline")
        if source.pipeline == pipeline.name:
            yield Fault(
                here,
                f"{label(here)} is '{source.pipeline}', this pipeline itself. Its SQL reads '{source.dataset}' as it is.",
            )
        elif source.pipeline not in beside.files:
            yield Fault(
                here,
                f"{label(here)} names the unknown pipeline '{source.pipeline}'. "
                f"{choices(source.pipeline, sorted(beside.files), intro='Pipelines')}",
            )
        else:
            yield from _dataset_faults(pipeline, at, dataset, source, beside, unreliable_paths)


def _readers(spec: PipelineSpec) -> Iterator[tuple[str, DatasetSpec, DatasetSourceSpec]]:
    for name, dataset in spec.datasets.items():
        if isinstance(dataset.source, DatasetSourceSpec):
            yield name, dataset, dataset.source


def _dataset_faults(
    pipeline: Pipeline,
    at: KeyPath,
    dataset: DatasetSpec,
    source: DatasetSourceSpec,
    beside: Neighbours,
    unreliable_paths: Collection[KeyPath],
) -> Iterator[Fault]:
    other = beside.spec(source.pipeline)
    here = (*at, "source", "dataset")
    if other is None:
        where = (*at, "source", "pipeline")
        yield Fault(
            where,
            f"{label(where)} is '{source.pipeline}', whose own declaration is faulty. Correct it first: driftline check {source.pipeline}",
        )
        return
    if source.dataset not in other.datasets:
        yield Fault(
            here,
            f"{label(here)} names the unknown dataset '{source.dataset}' of pipeline '{source.pipeline}'. "
            f"{choices(source.dataset, other.datasets, intro='Its datasets')}",
        )
        return
    for column in dataset.columns:
        if not is_unreliable((*at, "columns", column), unreliable_paths):
            yield from _column_faults((*at, "columns", column), dataset, column, source, other)
    cycle = _way_back(pipeline, source.pipeline, beside)
    if cycle:
        way = " → ".join([pipeline.name, *cycle])
        yield Fault(
            here, f"{label(here)}: pipelines read each other in a circle: {way}. Remove one of the readings."
        )


def _column_faults(
    path: KeyPath, dataset: DatasetSpec, column: str, source: DatasetSourceSpec, other: PipelineSpec
) -> Iterator[Fault]:
    theirs, form = other.datasets[source.dataset], dataset.column(column)
    name = form.source or column
    if form.sql is not None:
        return
    if name not in theirs.columns:
        yield Fault(
            path,
            f"{label(path)}: dataset {source.place} has no column '{name}'. {choices(name, theirs.columns, intro='Its columns')}",
        )
    elif theirs.column(name).type != form.type:
        yield Fault(
            path,
            f"{label(path)} is {form.type}, but '{name}' of dataset {source.place} is {theirs.column(name).type}. Declare that type; "
            "another one is made with `sql` in a column of its own.",
        )


def _way_back(pipeline: Pipeline, start: str, beside: Neighbours) -> list[str]:
    """Return the pipelines by which a neighbour reads the pipeline itself, both included; none where it does not."""
    seen: set[str] = set()

    def walk(name: str) -> list[str]:
        if name == pipeline.name:
            return [name]
        if name in seen or name not in beside.files:
            return []
        seen.add(name)
        spec = beside.spec(name)
        for _, _, source in _readers(spec) if spec is not None else ():
            rest = walk(source.pipeline)
            if rest:
                return [name, *rest]
        return []

    return walk(start)


def _spec_of(file: Path) -> PipelineSpec | None:
    try:
        document = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    attributes = document.value.get("attributes") if isinstance(document.value, Mapping) else None
    result = None if document.faults else validate(attributes)
    return result if isinstance(result, PipelineSpec) else None
