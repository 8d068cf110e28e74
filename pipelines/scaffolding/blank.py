"""Blank declaration: what `dg scaffold defs pipelines.MLPipeline <name>` writes; it loads as it stands."""

from __future__ import annotations

DECLARATION = """\
# A pipeline: what every key means is in docs/pipeline-reference.md.
# Check it with `dg check defs`, see it with `make dev`.
type: {type_name}
attributes:
  description: What does this pipeline predict?
  # A run handles one partition. Remove `end` while data keeps arriving.
  partitions: {{every: month, start: 2024-01-01, timezone: UTC}}

  datasets:
    events:
      # Put your file there, or name another: csv, parquet or json; relative to this folder, or absolute.
      # Nothing is read until a run asks for it.
      source: {{type: csv, path: data/events.csv}}
      # Columns to keep, with their types; `source:` renames, `sql:` computes.
      columns:
        id: int
        customer: string
        created_at: timestamp_tz
        closed_at: timestamp_tz
        amount: float
      # Says which partition a row belongs to.
      event_time: created_at
      key: [id]
      expectations:
        - {{expect: column_values_to_not_be_null, column: customer}}
        - {{expect: column_values_to_be_between, column: amount, min_value: 0, on_failure: quarantine}}

  # Whom features tell something about, and the columns that identify one.
  entities: {{customer: [customer]}}

  features:
    customer_history:
      entity: customer
      sql: features/customer_history.sql
      lookback: 28d
      ttl: 28d

  target:
    dataset: events
    # Features are joined as of this instant: nothing that became known later may enter.
    prediction_time: created_at
    # The truth (NULL: no label), and the instant at which it becomes known.
    label: amount > 100
    label_time: closed_at
    problem: binary

  model:
    candidates: [hist_gradient_boosting, logistic_regression]
"""

QUERY = """\
-- One row per customer and instant: the entity's keys, event_timestamp (when the values became
-- known) and the features. Reads the profiled datasets by name.
SELECT
    customer,
    closed_at AS event_timestamp,
    count(*) OVER past AS n_events,
    avg(amount) OVER past AS mean_amount
FROM events
WHERE closed_at IS NOT NULL
WINDOW past AS (
    PARTITION BY customer
    ORDER BY closed_at
    RANGE BETWEEN INTERVAL 28 DAY PRECEDING AND CURRENT ROW
)
"""


def files(type_name: str) -> dict[str, str]:
    """Return the example's texts, by name of the file to write."""
    return {"defs.yaml": DECLARATION.format(type_name=type_name), "features/customer_history.sql": QUERY}
