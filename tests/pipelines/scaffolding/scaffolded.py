"""Scaffold a file into a folder, as `dg scaffold` would."""

from pathlib import Path

from declaration.pipeline import Pipeline
from pipelines.loading.read import read
from pipelines.scaffolding.scaffolder import ScaffoldOptions, save, scaffold_source


def scaffold(
    file: Path,
    folder: Path,
    *,
    target: str | None = None,
    event_time: str | None = None,
    entity: str | None = None,
) -> Pipeline:
    """Write the declaration of a file into a folder, and read it."""
    return _written(
        ScaffoldOptions(source=str(file), target=target, event_time=event_time, entity=entity), folder
    )


def scaffold_url(url: str, folder: Path) -> Pipeline:
    """Write the declaration of an object into a folder, and read it."""
    return _written(ScaffoldOptions(source=url), folder)


def _written(options: ScaffoldOptions, folder: Path) -> Pipeline:
    folder.mkdir(parents=True, exist_ok=True)
    files = scaffold_source(options, folder=folder, start=folder, type_name="pipelines.MLPipeline")
    save(files, folder)
    return read(folder)
