"""A small sound declaration, and a way to write it with one thing changed."""

from pathlib import Path

SOUND = """\
type: pipelines.MLPipeline
attributes:
  description: Which order will be late?
  owners: [team:orders]
  tags: {domain: sales}
  schedule: "0 6 * * *"
  partitions: {every: day, start: 2024-01-01, end: 2024-03-01, timezone: Europe/Berlin}
  datasets:
    orders:
      source: {type: csv, path: orders.csv}
      columns:
        id: int
        customer: string
        ordered: timestamp_tz
        delivered: timestamp_tz
        amount: {type: float, description: Euros.}
        weekday: {type: int, sql: dayofweek(ordered)}
      event_time: ordered
      key: [id]
      expectations:
        - {expect: column_values_to_not_be_null, column: customer, mostly: 0.95}
        - {expect: column_values_to_be_between, column: amount, min_value: 0, on_failure: quarantine}
    customers:
      source: {type: parquet, path: customers.parquet}
      columns: {customer: string, country: string}
      key: [customer]
  queries: {late_orders: late_orders.sql}
  entities: {customer: [customer]}
  features:
    history:
      entity: customer
      sql: features/history.sql
      lookback: 28d
      ttl: 7d
  target:
    dataset: orders
    prediction_time: ordered
    label: delivered - ordered > interval 3 day
    label_time: delivered
    problem: binary
    where: amount > 0
    request_features: {amount: amount}
  model:
    candidates: [hist_gradient_boosting, logistic_regression]
    metric: roc_auc
    train_window: 30
    gate: {min_metric: 0.6}
  drift: {sensitivity: medium, min_rows: 500}
  retrain: {on: [performance, schedule], cooldown: 1}
"""

HISTORY = """\
SELECT customer, ordered AS event_timestamp, avg(amount) OVER (PARTITION BY customer ORDER BY ordered) AS mean_amount
FROM orders
"""

LATE_ORDERS = "SELECT * FROM orders WHERE delivered - ordered > INTERVAL 3 DAY\n"


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the declaration into a folder, each first text replaced by the second."""
    text = SOUND
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the declaration"
        text = text.replace(old, new)
    (folder / "features").mkdir(parents=True, exist_ok=True)
    (folder / "defs.yaml").write_text(text, encoding="utf-8")
    (folder / "features" / "history.sql").write_text(HISTORY, encoding="utf-8")
    (folder / "late_orders.sql").write_text(LATE_ORDERS, encoding="utf-8")
    return folder
