"""Options of the scaffolder's command."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ScaffoldOptions(BaseModel):
    """Options of `dg scaffold defs pipelines.MLPipeline`."""

    source: str | None = Field(
        default=None,
        description="File, folder, pattern, path with {partition} or URL to read: CSV, Parquet, JSON or Excel, also .gz and .zip; "
        "a table by its database's URL, or openapi.yaml#/path of an API. "
        "Without it, an example is written.",
    )
    target: str | None = Field(
        default=None, description="Column to predict. Without it, drift is watched and targets are ranked."
    )
    event_time: str | None = Field(
        default=None,
        description="Column that says when a row came to be, or `rows` for rows with only an order. Found when absent.",
    )
    entity: str | None = Field(
        default=None,
        description="Columns that say whom a row is about: a,b for two entities, a+b for one of two columns.",
    )
    holidays: str | None = Field(
        default=None,
        description="Country, or country and part, whose public holidays are a feature of a forecast: DE, DE-BY, US. Needs the extra `holidays`.",
    )
