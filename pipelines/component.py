"""The Dagster component whose attributes are a declaration, and the loading of all of them.

One faulty declaration must not take the others down: while serving, it becomes one asset that
shows its faults and cannot be materialized; the check commands fail on it.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.core.defs_module import ComponentPath
from pydantic import BaseModel, RootModel

from declaration.pipeline import Pipeline
from pipelines.loading.read import FILE_NAME, DeclarationError, read
from pipelines.loading.reference import editor_schema
from pipelines.scaffolding.scaffolder import PipelineScaffolder

VALIDATION_FLAG = "DAGSTER_IS_DEFS_VALIDATION_CLI"
"""Set by `dg check defs` and `dagster definitions validate`: there, a fault fails the command."""


class Declared(RootModel[dict[str, Any] | None]):
    """Attributes as Dagster sees them: any, described by the schema.

    The schema serves `dg check yaml`, the docs and editors. It is not applied here, because
    Dagster would stop at its first kind of fault; `pipelines.loading.read` finds all of them.
    """

    @classmethod
    def model_json_schema(cls, *_args: object, **_options: object) -> dict[str, Any]:
        """Return the schema of a declaration's attributes."""
        return editor_schema()


@dg.scaffold_with(PipelineScaffolder)
@dataclass(frozen=True)
class MLPipeline(dg.Component):
    """A machine-learning pipeline: raw data to drift report, declared in one `defs.yaml`.

    `--source FILE` reads a table (CSV, Parquet, JSON or Excel) and writes a commented declaration of it:
    `--target COLUMN` is what to predict (without it, drift is watched and targets are ranked),
    `--event-time COLUMN` says when a row came to be (`rows` for rows with only an order; found when absent),
    `--entity COLUMN[,COLUMN]` says whom rows are about (`a+b` for one entity of two columns).
    Without `--source`, an example to fill in is written.
    """

    name: str
    """Name of the folder."""
    pipeline: Pipeline | None = None
    """The declaration; None where it is faulty."""
    fault: str | None = None
    """Every fault of the declaration; None where there is none."""

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Return the attributes' schema."""
        return Declared

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> MLPipeline:
        """Read the declaration in the component's folder.

        Raises
        ------
        DeclarationError
            If it is faulty and a check command asks.
        """
        del attributes  # Read from the file, with its lines.
        component = _component(context.path)
        if component.fault is not None and is_checking():
            raise DeclarationError(component.fault.splitlines())
        return component

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the pipeline's assets and checks, or the asset that shows its faults."""
        path = context.component_loc
        if isinstance(path, ComponentPath) and path.instance_key not in (None, 0):
            # A second document in the file: the first one shows that fault.
            return dg.Definitions()
        if self.pipeline is None:
            return faulty_definitions(self.name, self.fault or "")
        # Here, so that `dg scaffold` and `dg check yaml` do not import every stage.
        from pipelines.graph.compile import build_pipeline

        return build_pipeline(self.pipeline)


@dataclass(frozen=True)
class LoadedPipelines:
    """Everything below the folder of declarations.

    Attributes
    ----------
    definitions
        Assets and checks of all declarations.
    pipelines
        The sound declarations, by name.
    faults
        What is wrong with the others, by name of the folder.
    """

    definitions: dg.Definitions
    pipelines: tuple[Pipeline, ...]
    faults: Mapping[str, str]


def load_pipelines(defs_root: Path) -> LoadedPipelines:
    """Load everything below the folder of declarations; a faulty folder is shown, and does not stop the others.

    Raises
    ------
    DeclarationError
        If a declaration is faulty and a check command asks; with the faults of all of them.
    """
    if is_checking():
        _raise_all_faults(defs_root)
    tree = dg.ComponentTree.for_project(defs_root)
    try:
        return _loaded(tree.build_defs(), tree.get_all_components(of_type=MLPipeline))
    except Exception:
        # Whatever one folder raises, the others must load.
        if is_checking() or not _holds_folders_only(defs_root):
            raise
        return _merged(list(_one_by_one(tree, defs_root)))


def is_checking() -> bool:
    """Tell whether a check command loads the definitions, as opposed to a server or a run."""
    return bool(os.environ.get(VALIDATION_FLAG))


def _raise_all_faults(defs_root: Path) -> None:
    faults: list[str] = []
    for file in sorted(defs_root.rglob(FILE_NAME)):
        faults += (_component(file.parent).fault or "").splitlines()
    if faults:
        raise DeclarationError(faults)


def _component(folder: Path) -> MLPipeline:
    try:
        return MLPipeline(folder.name, read(folder))
    except DeclarationError as error:
        return MLPipeline(folder.name, fault=str(error))


def _loaded(definitions: dg.Definitions, components: Sequence[MLPipeline]) -> LoadedPipelines:
    names = [component.name for component in components]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError([f"two folders declare a pipeline named '{name}'. Rename one."])
    sound = [component.pipeline for component in components if component.pipeline is not None]
    return LoadedPipelines(
        definitions,
        tuple(sorted(sound, key=lambda pipeline: pipeline.name)),
        {component.name: component.fault for component in components if component.fault is not None},
    )


def _one_by_one(whole: dg.ComponentTree, folder: Path) -> Iterator[LoadedPipelines]:
    """Load each folder as a tree of its own, so that one which Dagster cannot load stands alone."""
    for child in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"):
        try:
            yield _alone(whole, child)
        except Exception as error:
            # Shown as an asset, with what was raised.
            if (child / FILE_NAME).exists():
                fault = _component(child).fault or f"{child.name}: {error}"
                yield LoadedPipelines(faulty_definitions(child.name, fault), (), {child.name: fault})
            elif _holds_folders_only(child):
                yield from _one_by_one(whole, child)
            else:
                # Somebody's Python: not a declaration, and not ours to explain.
                raise


def _holds_folders_only(folder: Path) -> bool:
    """Tell whether a folder can be loaded in parts: it has no definitions of its own."""
    return not any(
        path.suffix in {".py", ".yaml", ".yml"} and path.stem != "__init__" for path in folder.iterdir()
    )


def _alone(whole: dg.ComponentTree, folder: Path) -> LoadedPipelines:
    below = folder.relative_to(whole.defs_module_path).parts
    module = importlib.import_module(".".join([whole.defs_module_name, *below]))
    tree = dg.ComponentTree.from_module(module, whole.project_root)
    return _loaded(tree.build_defs(folder), tree.get_all_components(of_type=MLPipeline))


def _merged(parts: Sequence[LoadedPipelines]) -> LoadedPipelines:
    """Put folders together; a name that is taken already is a fault of the later folder."""
    taken: dict[str, LoadedPipelines] = {}
    for part in parts:
        for name in [*(pipeline.name for pipeline in part.pipelines), *part.faults]:
            if name in taken:
                fault = f"two folders declare a pipeline named '{name}'. Rename one."
                taken[name] = LoadedPipelines(faulty_definitions(name, fault), (), {name: fault})
            else:
                taken[name] = part
    distinct = list({id(part): part for part in taken.values()}.values())
    return LoadedPipelines(
        dg.Definitions.merge(*(part.definitions for part in distinct)),
        tuple(sorted((p for part in distinct for p in part.pipelines), key=lambda pipeline: pipeline.name)),
        {name: fault for part in distinct for name, fault in part.faults.items()},
    )


def faulty_definitions(name: str, fault: str) -> dg.Definitions:
    """Show a faulty declaration where a user looks: as an asset of that name, which cannot be materialized."""
    group = re.sub(r"\W", "_", name)
    # Indented, not fenced: nothing in the message can end the block.
    shown = "\n".join(f"    {line}" for line in fault.splitlines())

    @dg.asset(
        key=[group, "declaration"],
        group_name=group,
        kinds={"error"},
        description=f"**This declaration is faulty, and its pipeline is not loaded.**\n\n{shown}\n\n"
        "Correct the file and reload the code location.",
    )
    def declaration() -> None:
        raise DeclarationError(fault.splitlines())

    return dg.Definitions(assets=[declaration])
