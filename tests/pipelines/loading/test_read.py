import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.decisions import ThresholdSpec
from driftline.cli import main
from pipelines.loading.read import DeclarationError, read, read_with_policy
from pipelines.loading.yaml_lines import parse
from sources.types import SOURCE_TYPES
from tests.fixtures.sound_declaration import HISTORY, SOUND, write

REPOSITORY = Path(__file__).resolve().parents[3]

Change = tuple[str, str]

# One thing changed in a sound declaration, and everything that must be said about it: line and text.
MALFORMED = [
    pytest.param(
        [("  description: Which", "\tdescription: Which")],
        [
            "3: not valid YAML: while scanning for the next token, found character that cannot start any token. Indent with spaces, not tabs.",
        ],
        id="tab",
    ),
    pytest.param(
        [("description: Which order will be late?", "description: Note: late?")],
        [
            "3: not valid YAML: mapping values are not allowed in this context. Quote a text that contains ': ', and check the indentation.",
        ],
        id="colon",
    ),
    pytest.param(
        [("owners: [team:orders]", "owners: [team:orders")],
        [
            "5: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'.",
        ],
        id="unclosed-list",
    ),
    pytest.param(
        [("  queries:", "  description: again\n  queries:")],
        [
            "27: key 'description' is given twice in attributes; the first is on line 3.",
        ],
        id="duplicate-key",
    ),
    pytest.param(
        [("  retrain: {on: [performance, schedule], cooldown: 1}\n", "  retrain: {}\n---\ntype: x\n")],
        [
            "50: not valid YAML: a second document ('---') begins here. One folder holds one pipeline.",
        ],
        id="second-document",
    ),
    pytest.param(
        [("where: amount > 0", "where: !env WHERE")],
        [
            "41: target.where: the tag '!env' is not supported; write the value plainly.",
            '41: target.where is not an SQL expression: syntax error at or near "WHERE".',
        ],
        id="custom-tag",
    ),
    pytest.param(
        [("min_metric: 0.6", "min_metric: .inf")],
        [
            "47: model.gate.min_metric is .inf, but must be a finite number.",
        ],
        id="infinite",
    ),
    pytest.param(
        [("owners: [team:orders]", "owners: &a [*a]")],
        [
            "1: more than 50000 values: an anchor that contains itself, or aliases that multiply.",
        ],
        id="self-alias",
    ),
    pytest.param(
        [("attributes:\n", "version: 2\nattributes:\n")],
        [
            "2: unknown key 'version' beside 'attributes'. Allowed: type, attributes, requirements, template_vars_module, post_processing.",
        ],
        id="unknown-envelope-key",
    ),
    pytest.param(
        [("type: pipelines.MLPipeline", "type: pipelines.Pipeline")],
        [
            "1: type is 'pipelines.Pipeline'. A pipeline is of type driftline.MLPipeline.",
        ],
        id="wrong-type",
    ),
    pytest.param(
        [("  queries:", "  querys:")],
        [
            "27: unknown key 'querys' in attributes. Allowed: description, owners, partitions, datasets, queries, entities, features, target, model, predictions, drift, retrain, alerts, schedule, tags. Did you mean 'queries'?",
        ],
        id="unknown-top-key",
    ),
    pytest.param(
        [("min_rows: 500", "min_row: 500")],
        [
            "48: unknown key 'min_row' in drift. Allowed: method, sensitivity, features, multivariate, min_rows, alpha, likely, year_to_year, max_performance_drop, slices, min_slice_rows, dataset, reference, reference_partitions. Did you mean 'min_rows'?",
        ],
        id="unknown-nested-key",
    ),
    pytest.param(
        [("start: 2024-01-01, ", "")],
        [
            "7: missing key 'start' in partitions. First instant of the first partition, in `timezone`.",
        ],
        id="missing-key",
    ),
    pytest.param(
        [("every: day, start: 2024-01-01", "every: rows, size: 500, start: 2024-01-01")],
        [
            "7: partitions.end is about time, but 'every: rows' has a clock of its own. Remove it.",
            "7: partitions.start is about time, but 'every: rows' has a clock of its own. Remove it.",
            "7: partitions.timezone is about time, but 'every: rows' has a clock of its own. Remove it.",
            "18: datasets.orders.event_time is 'ordered', but with 'partitions.every: rows' it must be row_time.",
        ],
        id="rows-with-a-clock",
    ),
    pytest.param(
        [("drift: {sensitivity: medium", "drift: {reference: previous, sensitivity: medium")],
        [
            "48: drift.reference is for pipelines without a target; with one, the model's training data is the reference.",
        ],
        id="watching-with-a-target",
    ),
    pytest.param(
        [("timezone: Europe/Berlin", "timezone: Europe/Berlin, size: 100")],
        [
            "7: partitions.size is for 'every: rows' only; this is 'every: day'.",
        ],
        id="size-of-time",
    ),
    pytest.param(
        [("every: day", "every: dayly")],
        [
            "7: unknown value 'dayly' for partitions.every. Allowed: hour, day, week, month, rows, load. Did you mean 'day'?",
        ],
        id="bad-literal",
    ),
    pytest.param(
        [("on: [performance, schedule]", "on: [performance, drfit]")],
        [
            "49: unknown value 'drfit' for retrain.on[1]. Allowed: performance, drift, schedule. Did you mean 'drift'?",
        ],
        id="bad-literal-list",
    ),
    pytest.param(
        [("min_rows: 500", 'min_rows: "500"')],
        [
            "48: drift.min_rows is '500', but must be a whole number.",
        ],
        id="number-as-text",
    ),
    pytest.param(
        [("cooldown: 1", "cooldown: true")],
        [
            "49: retrain.cooldown is true, but must be a whole number.",
        ],
        id="bool-as-number",
    ),
    pytest.param(
        [("min_rows: 500", "min_rows: 1")],
        [
            "48: drift.min_rows is 1, but must be at least 2.",
        ],
        id="too-small",
    ),
    pytest.param(
        [("min_rows: 500", "alpha: 0.5")],
        [
            "48: drift.alpha is 0.5, but must be less than 0.5.",
        ],
        id="too-large",
    ),
    pytest.param(
        [("drift: {sensitivity: medium, min_rows: 500}", "drift: high")],
        [
            "48: drift is 'high', but must be a block of keys.",
        ],
        id="block-expected",
    ),
    pytest.param(
        [("key: [id]", "key: id")],
        [
            "19: datasets.orders.key is 'id', but must be a list.",
        ],
        id="list-expected",
    ),
    pytest.param(
        [("start: 2024-01-01", "start: 2024-13-01")],
        [
            "7: partitions.start is '2024-13-01', but must be a date or an instant such as 2013-01-01 or 2013-01-01T06:00:00.",
        ],
        id="date",
    ),
    pytest.param(
        [("start: 2024-01-01", "start: 2024")],
        [
            "7: partitions.start is 2024, but must be a date or an instant such as 2013-01-01 or 2013-01-01T06:00:00.",
        ],
        id="year-as-number",
    ),
    pytest.param(
        [("    history:", "    History:")],
        [
            "30: 'History' cannot be a name in features. A name has lower-case letters, digits and underscores, begins with a letter and has at most 63.",
        ],
        id="bad-name",
    ),
    pytest.param(
        [("id: int", "id: integer")],
        [
            "12: unknown value 'integer' for datasets.orders.columns.id. Allowed: boolean, int, float, decimal, string, date, timestamp, timestamp_tz. Did you mean 'int'?",
        ],
        id="column-type",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", "{typ: float}")],
        [
            "16: unknown key 'typ' in datasets.orders.columns.amount. Allowed: type, source, optional, sql, known_at, null_values, formats, description, since, deprecated, renamed_from, widened_from. Did you mean 'type'?",
        ],
        id="column-block",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "orderd"}')],
        [
            "16: datasets.orders.columns.amount.known_at names the unknown column 'orderd'. Columns: id, customer, ordered, delivered, amount, weekday. Did you mean 'ordered'?"
        ],
        id="known-at-unknown-column",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "customer"}')],
        [
            "16: datasets.orders.columns.amount.known_at gives varchar, but must give an instant (a wall clock becomes one by AT TIME ZONE)."
        ],
        id="known-at-text",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "CAST(ordered AS TIMESTAMP)"}')],
        [
            "16: datasets.orders.columns.amount.known_at gives timestamp, but must give an instant (a wall clock becomes one by AT TIME ZONE)."
        ],
        id="known-at-wall-clock",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "CAST(ordered AS DATE)"}')],
        [
            "16: datasets.orders.columns.amount.known_at gives date, but must give an instant (a wall clock becomes one by AT TIME ZONE)."
        ],
        id="known-at-date",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "ordered +"}')],
        ["16: datasets.orders.columns.amount.known_at is not an SQL expression: it ends too early."],
        id="known-at-cut-off",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "no_such(ordered)"}')],
        [
            "16: datasets.orders.columns.amount.known_at cannot be computed: Scalar Function with name no_such does not exist."
        ],
        id="known-at-unknown-function",
    ),
    pytest.param(
        [("{type: float, description: Euros.}", '{type: float, known_at: "max(ordered)"}')],
        [
            "16: datasets.orders.columns.amount.known_at holds an aggregate, a window or UNNEST, but must be computed from each row alone."
        ],
        id="known-at-aggregate",
    ),
    pytest.param(
        [
            (
                "{type: float, description: Euros.}",
                '{type: float, known_at: "lag(ordered) OVER (ORDER BY id)"}',
            )
        ],
        [
            "16: datasets.orders.columns.amount.known_at holds an aggregate, a window or UNNEST, but must be computed from each row alone."
        ],
        id="known-at-window",
    ),
    pytest.param(
        [
            (
                "{type: float, description: Euros.}",
                '{type: float, known_at: "(SELECT max(ordered) FROM orders)"}',
            )
        ],
        [
            "16: datasets.orders.columns.amount.known_at holds a subquery. Write a named query under `queries` instead."
        ],
        id="known-at-subquery",
    ),
    pytest.param(
        [
            (
                "columns: {customer: string, country: string}",
                "columns: {customer: string, country: {type: string, known_at: now()}}",
            )
        ],
        [
            "25: datasets.customers.columns.country.known_at is for datasets with an `event_time`: a reference table is known from the start.",
        ],
        id="known-at-of-a-reference-table",
    ),
    pytest.param(
        [("lookback: 28d", "lookback: 28 days")],
        [
            "33: features.history.lookback is '28 days', but a duration is a positive number and a unit: 90m, 12h, 28d or 4w.",
        ],
        id="duration",
    ),
    pytest.param(
        [("candidates: [hist_gradient_boosting, logistic_regression]", "candidates: []")],
        [
            "44: model.candidates is an empty list, but must not be empty.",
        ],
        id="empty-candidates",
    ),
    pytest.param(
        [("candidates: [hist_gradient_boosting, logistic_regression]", "candidates: [logistic]")],
        [
            "44: model.candidates[0] names 'logistic', which is no algorithm. Allowed: hist_gradient_boosting, lightgbm, xgboost, logistic_regression, linear_svm, kernel_svm, nearest_neighbours, sgd, naive_bayes, decision_tree, random_forest.",
        ],
        id="no-known-candidate",
    ),
    pytest.param(
        [("id: int", "id: {type: intt}")],
        [
            "12: unknown value 'intt' for datasets.orders.columns.id.type. Allowed: boolean, int, float, decimal, string, date, timestamp, timestamp_tz. Did you mean 'int'?",
        ],
        id="type-in-a-block",
    ),
    pytest.param(
        [("timezone: Europe/Berlin", "timezone: Europe/Berln")],
        [
            "7: partitions.timezone is 'Europe/Berln', which is no IANA time zone such as Europe/Berlin or UTC. Did you mean 'Europe/Berlin'?",
        ],
        id="timezone",
    ),
    pytest.param(
        [("end: 2024-03-01", "end: 2023-03-01")],
        [
            "7: partitions.end 2023-03-01T00:00:00 is not after partitions.start 2024-01-01T00:00:00.",
        ],
        id="end-before-start",
    ),
    pytest.param(
        [
            (
                "every: day, start: 2024-01-01, end: 2024-03-01",
                "every: month, start: 2024-01-02, end: 2024-02-15",
            )
        ],
        [
            "7: no whole month lies between partitions.start 2024-01-02T00:00:00 and partitions.end 2024-02-15T00:00:00.",
        ],
        id="no-whole-partition",
    ),
    pytest.param(
        [("start: 2024-01-01", "start: '2024-01-01T00:00:00+01:00'")],
        [
            "7: partitions.start has an offset (2024-01-01T00:00:00+01:00). Write the wall clock in partitions.timezone.",
        ],
        id="offset",
    ),
    pytest.param(
        [("event_time: ordered", "event_time: orderd")],
        [
            "18: datasets.orders.event_time names the unknown column 'orderd'. Columns: id, customer, ordered, delivered, amount, weekday. Did you mean 'ordered'?",
        ],
        id="event_time-unknown",
    ),
    pytest.param(
        [("event_time: ordered", "event_time: amount")],
        [
            "18: datasets.orders.event_time is 'amount' of type float, but must be a date, timestamp or timestamp_tz.",
        ],
        id="event_time-type",
    ),
    pytest.param(
        [("key: [id]", "key: [order_id]")],
        [
            "19: datasets.orders.key names the unknown column 'order_id'. Columns: id, customer, ordered, delivered, amount, weekday. Did you mean 'ordered'?",
        ],
        id="key-unknown",
    ),
    pytest.param(
        [("key: [id]", "key: [id, id]")],
        [
            "19: datasets.orders.key names 'id' twice.",
        ],
        id="key-twice",
    ),
    pytest.param(
        [("id: int", "id: int\n        ID: int")],
        [
            "13: columns 'id' and 'ID' of datasets.orders differ only in case, which SQL does not tell apart.",
        ],
        id="case-twins",
    ),
    pytest.param(
        [("id: int", "id: int\n        broken_rules: string")],
        [
            "13: column 'broken_rules' of datasets.orders has the name of a column that the quarantine table adds. Rename it: {type: …, source: broken_rules}.",
        ],
        id="reserved-column",
    ),
    pytest.param(
        [("sql: dayofweek(ordered)", "sql: dayofweek(ordered), source: w")],
        [
            "17: datasets.orders.columns.weekday has both 'source' and 'sql'. Keep one: a column is read or computed.",
        ],
        id="source-and-sql",
    ),
    pytest.param(
        [("sql: dayofweek(ordered)", "sql: dayofweek(ordered")],
        [
            "17: datasets.orders.columns.weekday.sql is not an SQL expression: it ends too early.",
        ],
        id="computed-sql",
    ),
    pytest.param(
        [("sql: dayofweek(ordered)", 'sql: "1), (2"')],
        [
            "17: datasets.orders.columns.weekday.sql must be one SQL expression, not a query or a list.",
        ],
        id="computed-list",
    ),
    pytest.param(
        [("path: orders.csv", "path: orders.csv, mode: incremental")],
        [
            "10: datasets.orders.source.path is 'orders.csv', but an incremental source's path needs {partition} where the partition's key stands.",
        ],
        id="incremental",
    ),
    pytest.param(
        [("path: orders.csv", 'path: "orders/{partition}.csv"')],
        [
            "10: datasets.orders.source.path holds {partition}, which only 'mode: incremental' fills in. Add it, or write a pattern such as '*'.",
        ],
        id="partition-in-full",
    ),
    pytest.param(
        [("path: customers.parquet", 'path: "c/{partition}.parquet", mode: incremental')],
        [
            "24: datasets.customers.source.mode is 'incremental', but the dataset has no event_time and so no partitions.",
        ],
        id="incremental-reference",
    ),
    pytest.param(
        [("path: customers.parquet", "path: customers.parquet, delimiter: ;")],
        [
            "24: datasets.customers.source.delimiter is for csv sources only; this one is parquet.",
        ],
        id="delimiter",
    ),
    pytest.param(
        [("path: customers.parquet", "path: customers.parquet, sheet: First, nul_values: [NA]")],
        [
            "24: datasets.customers.source.sheet is for excel sources only; this one is parquet.",
            "24: unknown key 'nul_values' in datasets.customers.source. Allowed: type, max_rejected_share, path, mode, missing, settle, marker, inbox.",
        ],
        id="keys-of-other-sources",
    ),
    pytest.param(
        [("type: parquet, path: customers.parquet", "type: parket, path: customers.parquet")],
        [
            f"24: unknown value 'parket' for datasets.customers.source.type. Allowed: {', '.join(SOURCE_TYPES)}. "
            "Did you mean 'parquet'?",
        ],
        id="unknown-source",
    ),
    pytest.param(
        [("type: parquet, path: customers.parquet", "path: customers.parquet")],
        [
            "24: missing key 'type' in datasets.customers.source. Text files of one row a line.",
        ],
        id="source-without-type",
    ),
    pytest.param(
        [("id: int", 'id: {type: int, null_values: ["a,b"]}')],
        [
            "12: datasets.orders.columns.id.null_values has 'a,b', but a text that means NULL holds no quote, delimiter or line end.",
        ],
        id="null-text-of-a-column",
    ),
    pytest.param(
        [("path: orders.csv", "path: ../orders.csv")],
        [
            "10: datasets.orders.source.path is '../orders.csv', but a path may not climb with '..'. Write an absolute path.",
        ],
        id="climbing-source",
    ),
    pytest.param(
        [
            ("[hist_gradient_boosting, logistic_regression]", "[nearest_neighbours]"),
            ("  drift: {sens", "  predictions: {contributions: 3}\n  drift: {sens"),
        ],
        [
            "48: predictions.contributions needs answers that are taken apart by what the model holds. Those of the candidate 'nearest_neighbours' "
            "take some thousand scores for each row, too many for whole partitions (`driftline predict --explain` does it for single rows); "
            "those of these algorithms take none: decision_tree, hist_gradient_boosting, lightgbm, linear_regression, linear_svm, "
            "logistic_regression, naive_bayes, random_forest, ridge, sgd, xgboost.",
        ],
        id="contributions-of-what-cannot-be-taken-apart",
    ),
    pytest.param(
        [
            ("[hist_gradient_boosting, logistic_regression]", "[{use: lightgbm, preprocess: {}}]"),
            ("  drift: {sens", "  predictions: {contributions: 3}\n  drift: {sens"),
        ],
        [
            "48: predictions.contributions needs answers that are taken apart by what the model holds. lightgbm takes them apart by prepared "
            "columns, and the candidate 'lightgbm' prepares its own. Declare it without `preprocess`.",
        ],
        id="contributions-of-prepared-columns",
    ),
    pytest.param(
        [
            (
                "  drift: {sens",
                "  predictions:\n    write_to:\n"
                "      - {type: sql, url: {env: WAREHOUSE_URL}}\n"
                "      - {type: parquet, path: out, table: scores}\n"
                "      - {type: delta, path: out}\n"
                "      - {type: delta, path: s3://bucket/scores}\n"
                "  drift: {sens",
            )
        ],
        [
            "50: missing key 'table' in predictions.write_to[0]: type sql needs it.",
            "51: predictions.write_to[1] has 'table', which is not for type parquet. Remove it.",
            "52: predictions.write_to names 'out' twice.",
            "53: predictions.write_to[3] has the path 's3://bucket/scores', but scores are written to this machine's folders. "
            "Mount the store, or write to a database.",
        ],
        id="places-of-scores",
    ),
    pytest.param(
        [
            (
                "  drift: {sens",
                "  predictions: {write_to: [{type: sql, url: {env: 'sqlite:///x'}, table: 'a;b'}]}\n  drift: {sens",
            )
        ],
        [
            "48: predictions.write_to[0].url.env is 'sqlite:///x', but must name an environment variable in capitals, such as "
            "WAREHOUSE_URL; the URL itself does not stand here.",
            "48: predictions.write_to[0].table is 'a;b', but must be a table of letters, digits and underscores, such as scores or "
            "analytics.scores.",
        ],
        id="secret-in-place-of-a-variable",
    ),
    pytest.param(
        [
            ("label: delivered - ordered > interval 3 day", "label: amount"),
            ("problem: binary", "problem: regression"),
            ("[hist_gradient_boosting, logistic_regression]", "[hist_gradient_boosting]"),
            ("metric: roc_auc", "metric: rmse\n    sample: {rows: 5000, stratified: true}"),
        ],
        [
            "46: model.sample.stratified is for classes, and the target's problem is regression. Remove it.",
        ],
        id="stratified-sample-of-values",
    ),
    pytest.param(
        [("path: orders.csv", "path: package:orders.csv")],
        [
            "10: datasets.orders.source.path is 'package:orders.csv', but a packaged file is written package:<name>/<file>.",
        ],
        id="package",
    ),
    pytest.param(
        [("column_values_to_not_be_null", "column_values_to_not_be_nul")],
        [
            "21: datasets.orders.expectations[0]: unknown expectation 'column_values_to_not_be_nul'. Did you mean 'column_values_to_not_be_null'?",
        ],
        id="unknown-expectation",
    ),
    pytest.param(
        [("column: customer, mostly", "column: custmer, mostly")],
        [
            "21: datasets.orders.expectations[0]: column_values_to_not_be_null: column 'custmer' is not declared. Did you mean 'customer'?",
        ],
        id="expectation-column",
    ),
    pytest.param(
        [
            (
                "        - {expect: column_values_to_be_between",
                "        - {expect: column_values_to_not_be_null, column: customer, mostly: 0.95}\n        - {expect: column_values_to_be_between",
            )
        ],
        [
            "22: datasets.orders.expectations[1]: the expectation 'column_values_to_not_be_null' is declared twice with the same arguments.",
        ],
        id="duplicate-expectation",
    ),
    pytest.param(
        [("mostly: 0.95}", "severity: error}")],
        [
            "21: unknown value 'error' for datasets.orders.expectations[0].severity. Allowed: info, warning, critical.",
        ],
        id="severity",
    ),
    pytest.param(
        [("{late_orders: late_orders.sql}", "{customers: late_orders.sql}")],
        [
            "27: 'customers' names both a dataset and a query. Rename one: SQL reads them alike.",
        ],
        id="collision",
    ),
    pytest.param(
        [("entity: customer", "entity: custmer")],
        [
            "31: features.history names the unknown entity 'custmer'. Entities: customer. Did you mean 'customer'?",
        ],
        id="entity-unknown",
    ),
    pytest.param(
        [("entities: {customer: [customer]}", "entities: {customer: [client]}")],
        [
            "28: entities.customer needs column 'client' in the target's rows, but datasets.orders has none. Columns: id, customer, ordered, delivered, amount, weekday.",
        ],
        id="entity-column",
    ),
    pytest.param(
        [("entities: {customer: [customer]}", "entities: {customer: []}")],
        [
            "28: entities.customer is an empty list, but an entity has at least one key column.",
        ],
        id="entity-empty",
    ),
    pytest.param(
        [("    history:", "    request:")],
        [
            "30: features.request: the name 'request' is taken by target.request_features. Choose another.",
        ],
        id="view-request",
    ),
    pytest.param(
        [("    history:", "    his__tory:")],
        [
            "30: features.his__tory: '__' divides view and feature in column names, so a view's name cannot hold it.",
        ],
        id="view-dunder",
    ),
    pytest.param(
        [("lookback: 28d", "lookback: 5000d")],
        [
            "33: features.history.lookback is 5000 days, but must be at most 3660.",
        ],
        id="lookback-far",
    ),
    pytest.param(
        [("sql: features/history.sql", "sql: features/histroy.sql")],
        [
            "32: features.history.sql is 'features/histroy.sql': no such file. SQL files beside the declaration: features/history.sql, late_orders.sql.",
        ],
        id="sql-missing",
    ),
    pytest.param(
        [("sql: features/history.sql", "sql: ../history.sql")],
        [
            "32: features.history.sql is '../history.sql': it leads out of the declaration's folder. Put the file beside the declaration.",
        ],
        id="sql-outside",
    ),
    pytest.param(
        [("dataset: orders", "dataset: order")],
        [
            "36: target.dataset names the unknown dataset 'order'. Datasets and queries: orders, customers, late_orders. Did you mean 'orders'?",
        ],
        id="target-unknown",
    ),
    pytest.param(
        [("dataset: orders", "dataset: late_orders")],
        [
            "35: target.event_time is missing: target.dataset 'late_orders' is a query, which has none of its own.",
            "35: target.key is missing: target.dataset 'late_orders' is a query, which has none of its own.",
        ],
        id="target-query",
    ),
    pytest.param(
        [("prediction_time: ordered", "prediction_time: amount")],
        [
            "37: target.prediction_time gives double, but must give an instant.",
        ],
        id="prediction-time-type",
    ),
    pytest.param(
        [("label: delivered - ordered > interval 3 day", "label: deliverd is null")],
        [
            "38: target.label names the unknown column 'deliverd'. Columns: id, customer, ordered, delivered, amount, weekday. Did you mean 'delivered'?",
        ],
        id="label-column",
    ),
    pytest.param(
        [("label: delivered - ordered > interval 3 day", "label: customer")],
        [
            "38: target.label gives varchar, but must give true or false, or 0 or 1.",
        ],
        id="label-type",
    ),
    pytest.param(
        [("label: delivered - ordered > interval 3 day", "label: (select max(amount) from orders) > 5")],
        [
            "38: target.label holds a subquery. Write a named query under `queries` instead.",
        ],
        id="label-subquery",
    ),
    pytest.param(
        [("where: amount > 0", "where: amount >")],
        [
            "41: target.where is not an SQL expression: it ends too early.",
        ],
        id="where-parse",
    ),
    pytest.param(
        [("request_features: {amount: amount}", "request_features: {amount: amuont}")],
        [
            "42: target.request_features.amount names the unknown column 'amuont'. Columns: id, customer, ordered, delivered, amount, weekday. Did you mean 'amount'?",
        ],
        id="request-feature",
    ),
    pytest.param(
        [
            ("  features:\n    history:\n      entity: customer\n      sql: features/history.sql\n", ""),
            ("      lookback: 28d\n      ttl: 7d\n", ""),
            ("    request_features: {amount: amount}\n", ""),
        ],
        [
            "29: target has no features to learn from: there is no view in 'features' and nothing in target.request_features. Declare one of them; to watch data without a model, remove 'target'.",
        ],
        id="no-features",
    ),
    pytest.param(
        [
            ("  features:\n    history:\n", "  featurs:\n    history:\n"),
            ("    request_features: {amount: amount}\n", ""),
        ],
        [
            "29: unknown key 'featurs' in attributes. Allowed: description, owners, partitions, datasets, queries, entities, features, target, model, predictions, drift, retrain, alerts, schedule, tags. Did you mean 'features'?",
        ],
        id="no-features-but-misspelt-ones",
    ),
    pytest.param(
        [
            ("  features:\n    history:\n      entity: customer\n      sql: features/history.sql\n", ""),
            ("      lookback: 28d\n      ttl: 7d\n", ""),
            ("request_features: {amount: amount}", "request_features: [amount]"),
        ],
        [
            "36: target.request_features is a list, but must be a block of keys.",
        ],
        id="no-features-but-garbled-ones",
    ),
    pytest.param(
        [("logistic_regression]", "ridge]")],
        [
            "44: model.candidates[1] names 'ridge', which cannot learn a binary target. Allowed: hist_gradient_boosting, lightgbm, xgboost, logistic_regression, linear_svm, kernel_svm, nearest_neighbours, sgd, naive_bayes, decision_tree, random_forest.",
        ],
        id="candidate",
    ),
    pytest.param(
        [("logistic_regression]", "hist_gradient_boosting]")],
        [
            "44: model.candidates names 'hist_gradient_boosting' twice.",
        ],
        id="candidate-twice",
    ),
    pytest.param(
        [("drift: {", "drift: {slices: [amuont, customer, customer], ")],
        [
            "48: drift.slices names 'customer' twice.",
            "48: drift.slices names 'amuont', which is no key, entity column or request feature of the target's rows. Allowed: id, customer, amount. Did you mean 'amount'?",
        ],
        id="slices",
    ),
    pytest.param(
        [
            (
                "drift: {",
                "drift: {features: {mean_amount: {ignore: true}, request__amount: {method: documented}}, ",
            )
        ],
        [
            "48: drift.features names 'mean_amount', which is no feature of the model. Features: history__mean_amount, request__amount. Did you mean 'history__mean_amount'?",
        ],
        id="drift-of-an-unknown-feature",
    ),
    pytest.param(
        [("drift: {", "drift: {features: {history__mean_amount: {sensitivty: high}}, ")],
        [
            "48: unknown key 'sensitivty' in drift.features.history__mean_amount. Allowed: sensitivity, method, ignore. Did you mean 'sensitivity'?",
        ],
        id="drift-of-a-feature-unknown-key",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: rmse")],
        [
            "45: model.metric is 'rmse', which cannot judge a binary target. Allowed: roc_auc, average_precision, log_loss, brier, accuracy, f1_macro.",
        ],
        id="metric",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    intervals: {level: 0.8}")],
        [
            "46: model.intervals are for a regression, and the target is binary. Leave it out.",
        ],
        id="intervals-of-classes",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    quantiles: [0.5, 0.9]")],
        [
            "46: model.quantiles are for a regression, and the target is binary. Leave it out.",
        ],
        id="quantiles-of-classes",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    quantiles: [0.9, 0.1]")],
        ["46: model.quantiles is a list, but must ascend, each named once; write [0.1, 0.9]."],
        id="quantiles-descend",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    quantiles: [0.5, 90]")],
        [
            "46: model.quantiles is a list, but must be shares above 0 and below 1, and 90 is none; write 0.9 for 90 %.",
        ],
        id="quantiles-in-percent",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    quantiles: [0.999]")],
        [
            "46: model.quantiles is a list, but must lie between 0.005 and 0.995, and 0.999 does not: groups of a few hundred errors "
            "do not tell what happens once in thousands.",
        ],
        id="quantiles-far-out",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    validation: {method: grouped_kfold, group: [customr]}")],
        [
            "46: model.validation.group[0] names 'customr', which is no key of an entity. Allowed: customer. Did you mean 'customer'?",
        ],
        id="group-of-an-unknown-column",
    ),
    pytest.param(
        [
            (
                "metric: roc_auc",
                "metric: roc_auc\n    threshold: {metric: f1, cost: {false_positive: 1, false_negative: 2}}",
            )
        ],
        [
            "46: model.threshold is a block of keys, but a threshold is a number, or has one of metric and cost.",
        ],
        id="two-thresholds",
    ),
    pytest.param(
        [("metric: roc_auc", "metric: roc_auc\n    threshold: 1.5")],
        [
            "46: model.threshold is 1.5, but must be at most 1.0.",
        ],
        id="threshold-beyond-one",
    ),
    pytest.param(
        [("min_metric: 0.6", "min_metric: 60")],
        [
            "47: model.gate.min_metric is 60, but roc_auc lies between 0 and 1.",
        ],
        id="floor",
    ),
    pytest.param(
        [("train_window: 30", "train_window: 365")],
        [
            "46: model.train_window is 365 partitions, but partitions.start to partitions.end hold 60.",
        ],
        id="train-window",
    ),
    pytest.param(
        [("on: [performance, schedule]", "on: [schedule, schedule]")],
        [
            "49: retrain.on names 'schedule' twice.",
        ],
        id="trigger-twice",
    ),
    pytest.param(
        [("owners: [team:orders]", "owners: [orders]")],
        [
            "4: owners[0] is 'orders', but must be an e-mail address or team:<name>.",
        ],
        id="owner",
    ),
    pytest.param(
        [("tags: {domain: sales}", "tags: {domain: a b c!}")],
        [
            "5: tags: 'domain: a b c!' is no tag of Dagster's. Keys and values have letters, digits, '_', '-' and '.', at most 63; a key may have a prefix and '/'.",
        ],
        id="tag",
    ),
    pytest.param(
        [("tags: {domain: sales}", "tags: {dagster/domain: sales}")],
        [
            "5: tags: the prefix of 'dagster/domain' is reserved. Choose another.",
        ],
        id="reserved-tag",
    ),
    pytest.param(
        [('"0 6 * * *"', '"61 6 * * *"')],
        [
            "6: schedule is '61 6 * * *', but must be a cron expression: minute hour day month weekday, such as \"0 6 1 * *\".",
        ],
        id="cron",
    ),
    pytest.param(
        [("description: Which order will be late?", "description: 5")],
        [
            "3: description is 5, but must be text.",
        ],
        id="text-expected",
    ),
    pytest.param(
        [("        id: int\n", "        id: int\n        label: int\n"), ("key: [id]", "key: [label]")],
        [
            "20: datasets.orders.key[0]: the labels table has a column 'label' of its own. Rename this one.",
        ],
        id="reserved-key",
    ),
    pytest.param(
        [("sql: dayofweek(ordered)", "sql: dayofweek(ordered), optional: true")],
        [
            "17: datasets.orders.columns.weekday has both 'optional' and 'sql'. A computed column is never missing: make those optional that it reads.",
        ],
        id="optional-and-computed",
    ),
    pytest.param(
        [
            ("        id: int\n", "        id: {type: int, optional: true}\n"),
            ("        ordered: timestamp_tz", "        ordered: {type: timestamp_tz, optional: true}"),
        ],
        [
            "12: datasets.orders.columns.id is optional, but a key tells rows apart. Remove 'optional'.",
            "14: datasets.orders.columns.ordered is optional, but the event_time says when a row came to be. Remove 'optional'.",
        ],
        id="optional-key-and-event-time",
    ),
    pytest.param(
        [("path: orders.csv}", "path: orders.csv, missing: empty}")],
        [
            "10: datasets.orders.source.missing is 'empty', but only with 'mode: incremental' has each partition a file that can be missing. Remove it.",
        ],
        id="missing-of-a-full-source",
    ),
    pytest.param(
        [
            (
                "path: orders.csv}",
                "path: 'https://a.example/{partition}.csv', mode: incremental, missing: empty}",
            )
        ],
        [
            "10: datasets.orders.source.missing is 'empty', but a web server lists no files, so that a wrong path cannot be told from a missing file. Remove it.",
        ],
        id="missing-on-a-web-server",
    ),
    pytest.param(
        [("source: {type: csv, path: orders.csv}", "source: {type: python, path: orders.csv}")],
        [
            "10: datasets.orders.source.path is 'orders.csv', but a python source is one .py file in the declaration's folder.",
        ],
        id="python-source-suffix",
    ),
    pytest.param(
        [("source: {type: csv, path: orders.csv}", "source: {type: python, path: made.py}")],
        [
            "10: datasets.orders.source.path is 'made.py': no such file. Python files beside the declaration: none.",
        ],
        id="python-source-missing",
    ),
    pytest.param(
        [("source: {type: csv, path: orders.csv}", "source: {type: python, path: /tmp/made.py}")],
        [
            "10: datasets.orders.source.path is '/tmp/made.py': it leads out of the declaration's folder. Put the file beside the declaration.",
        ],
        id="python-source-outside",
    ),
    pytest.param(
        [("source: {type: csv, path: orders.csv}", "source: {type: python, path: 'package:json/tool.py'}")],
        [
            "10: datasets.orders.source.path is 'package:json/tool.py': no such file. Python files beside the declaration: none.",
        ],
        id="python-source-package",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: 'postgresql://ann:secret@db/shop', table: orders}",
            )
        ],
        [
            "10: datasets.orders.source.url is neither sqlite:///FILE nor duckdb:///FILE. Name the environment variable that holds the URL of a server, as {env: WAREHOUSE_URL}: no secret stands in a declaration.",
        ],
        id="sql-url-in-the-open",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: 'sqlite:///../shop.db', table: orders}",
            )
        ],
        [
            "10: datasets.orders.source.url is 'sqlite:///../shop.db', but a path may not climb with '..'. Write an absolute path.",
        ],
        id="sql-climbing",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: {env: SHOP_URL}, table: orders, lag: 2h}",
            )
        ],
        [
            "10: datasets.orders.source.lag is there, but no cursor that lags behind. Declare `cursor`.",
        ],
        id="sql-lag",
    ),
    pytest.param(
        [
            (
                "source: {type: parquet, path: customers.parquet}",
                "source: {type: sql, url: {env: SHOP_URL}, table: customers, deletes: compare}",
            ),
            ("      key: [customer]\n", ""),
        ],
        [
            "24: datasets.customers.source.deletes compares keys, but the dataset has none. Declare `key`.",
        ],
        id="sql-deletes-without-a-key",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: {env: SHOP_URL}, table: orders, query: late_orders.sql}",
            )
        ],
        [
            "10: datasets.orders.source.table is one of two: there is both 'table' and 'query'. Name the table, or a .sql file with a query.",
        ],
        id="sql-both",
    ),
    pytest.param(
        [("source: {type: csv, path: orders.csv}", "source: {type: sql, url: {env: SHOP_URL}}")],
        [
            "10: datasets.orders.source.table is one of two: there is neither 'table' nor 'query'. Name the table, or a .sql file with a query.",
        ],
        id="sql-neither",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: {env: SHOP_URL}, table: shop..orders}",
            )
        ],
        [
            "10: datasets.orders.source.table is 'shop..orders', but a table is written orders or sales.orders.",
        ],
        id="sql-no-table",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: {env: SHOP_URL}, query: orders.txt}",
            )
        ],
        [
            "10: datasets.orders.source.query is 'orders.txt', but a query is a .sql file in the declaration's folder.",
        ],
        id="sql-query-suffix",
    ),
    pytest.param(
        [
            (
                "source: {type: csv, path: orders.csv}",
                "source: {type: sql, url: {env: SHOP_URL}, query: shop.sql}",
            )
        ],
        [
            "10: datasets.orders.source.query is 'shop.sql': no such file. SQL files beside the declaration: features/history.sql, late_orders.sql.",
        ],
        id="sql-query-missing",
    ),
    pytest.param(
        [("    label_time: delivered\n", "    label_time: delivered\n    label_delay: 999999w\n")],
        [
            "40: target.label_delay is 6999993 days, but must be at most 3660.",
        ],
        id="label-delay",
    ),
]


@pytest.mark.parametrize(("changes", "messages"), MALFORMED)
def test_a_malformed_declaration_is_refused_with_line_and_repair(
    tmp_path: Path, changes: list[Change], messages: list[str]
) -> None:
    folder = write(tmp_path / "late", *changes)
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    assert str(caught.value).splitlines() == [
        f"{folder.as_posix()}/defs.yaml:{message}" for message in messages
    ]


# One SQL file of a sound declaration changed, and what must be said about it.
MALFORMED_SQL = [
    pytest.param(
        "features/history.sql",
        "SELECT customer,\nFROM WHERE\n",
        'features/history.sql:2: syntax error at or near "WHERE".',
        id="parse",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT 1 AS a; SELECT 2 AS b",
        "features/history.sql:1: the file must hold one SELECT statement.",
        id="two",
    ),
    pytest.param(
        "features/history.sql",
        "DROP TABLE orders",
        "features/history.sql:1: the file must hold one SELECT statement.",
        id="not-select",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp, amount\nFROM order\n",
        'features/history.sql:2: syntax error at or near "order".',
        id="table",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp, amount\nFROM oders",
        "features/history.sql:2: reads the unknown table 'oders'. Datasets and queries: orders, customers, late_orders. Did you mean 'orders'?",
        id="table2",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp,\n  amuont\nFROM orders",
        "features/history.sql:2: names the unknown column 'amuont'. Did you mean 'amount'?",
        id="column",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT o.customer, o.ordered AS event_timestamp,\n  o.amuont\nFROM orders AS o",
        "features/history.sql:2: names the unknown column 'amuont'. Did you mean 'amount'?",
        id="qualified",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp, amount,\n averge(amount) AS a FROM orders",
        "features/history.sql:2: calls the unknown function 'averge'. Did you mean 'avg'?",
        id="function",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT ordered AS event_timestamp, amount FROM orders",
        "features/history.sql:1: gives no column 'customer', which a feature view needs. It gives: event_timestamp, amount.",
        id="no-key",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered, amount FROM orders",
        "features/history.sql:1: gives no column 'event_timestamp', which a feature view needs. It gives: customer, ordered, amount.",
        id="no-time",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, amount AS event_timestamp, id FROM orders",
        "features/history.sql:1: 'event_timestamp' is double, but must be an instant.",
        id="time-type",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp FROM orders",
        "features/history.sql:1: gives no feature: every column is a key or a time.",
        id="no-feature",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp, [amount] AS amounts FROM orders",
        "features/history.sql:1: feature 'amounts' is double[]. Make it a number, text, boolean, date or instant.",
        id="nested",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT customer, ordered AS event_timestamp, amount, id AS amount FROM orders",
        "features/history.sql:1: gives more than one column named amount.",
        id="twice",
    ),
    pytest.param(
        "features/history.sql",
        "SELECT * FROM read_csv('/etc/passwd')",
        'features/history.sql:1: Cannot access file "/etc/passwd" - file system operations are disabled by configuration.',
        id="file-read",
    ),
    pytest.param(
        "features/history.sql",
        "  \n",
        "defs.yaml:32: features.history.sql is 'features/history.sql': the file is empty.",
        id="empty",
    ),
    pytest.param(
        "late_orders.sql",
        "SELECT *\nFROM orders\nWHERE amout > 5",
        "late_orders.sql:3: names the unknown column 'amout'. Did you mean 'amount'?",
        id="query-column",
    ),
    pytest.param(
        "late_orders.sql",
        "SELECT * FROM late_orders",
        "late_orders.sql:1: reads the unknown table 'late_orders'. Datasets and queries: orders, customers, late_orders.",
        id="query-itself",
    ),
]


@pytest.mark.parametrize(("file", "sql", "message"), MALFORMED_SQL)
def test_a_malformed_query_is_refused_at_its_own_line(
    tmp_path: Path, file: str, sql: str, message: str
) -> None:
    folder = write(tmp_path / "late")
    (folder / file).write_text(sql)
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    assert str(caught.value) == f"{folder.as_posix()}/{message}"


def test_queries_may_read_each_other_but_not_themselves(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "late",
        ("{late_orders: late_orders.sql}", "{late_orders: late_orders.sql, recent: recent.sql}"),
    )
    (folder / "recent.sql").write_text("SELECT * FROM orders WHERE amount > 1")
    (folder / "late_orders.sql").write_text("SELECT * FROM recent")
    assert set(read(folder).sql) == {"features/history.sql", "late_orders.sql", "recent.sql"}
    (folder / "recent.sql").write_text("SELECT * FROM late_orders")
    with pytest.raises(
        DeclarationError, match="the query 'recent' reads itself through: late_orders, recent"
    ):
        read(folder)


def test_a_target_that_is_a_query_is_checked_against_its_columns(tmp_path: Path) -> None:
    changes = [("dataset: orders", "dataset: late_orders\n    event_time: ordered\n    key: [id]")]
    assert read(write(tmp_path / "late", *changes)).spec.target.key == ("id",)
    with pytest.raises(
        DeclarationError, match=r"defs\.yaml:40: target\.label names the unknown column 'deliverd'"
    ):
        read(
            write(
                tmp_path / "late",
                *changes,
                ("label: delivered - ordered > interval 3 day", "label: deliverd > ordered"),
            )
        )


@pytest.mark.parametrize("known_at", ["ordered - INTERVAL 7 DAY", "NULL", "greatest(ordered, delivered)"])
def test_a_value_may_be_known_before_its_row_later_or_never(tmp_path: Path, known_at: str) -> None:
    amount = "{type: float, description: Euros.}"
    folder = write(tmp_path, (amount, f'{{type: float, known_at: "{known_at}"}}'))
    assert read(folder).spec.datasets["orders"].column("amount").known_at == known_at


def test_a_sound_declaration_is_read(tmp_path: Path) -> None:
    pipeline = read(write(tmp_path / "late"))
    assert pipeline.name == "late"
    assert pipeline.folder == str(tmp_path / "late")
    assert pipeline.spec.features["history"].entity == "customer"
    assert pipeline.sql["features/history.sql"] == HISTORY
    assert set(pipeline.sql) == {"features/history.sql", "late_orders.sql"}
    assert pipeline.table("raw", "orders") == "late/raw/orders"


def test_a_file_is_read_like_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "late")
    assert read(folder / "defs.yaml") == read(folder)


def test_all_faults_of_a_file_come_together_in_its_order(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "late",
        ("owners: [team:orders]", "owners: [orders]"),
        ("id: int", "id: integer"),
        ("entity: customer", "entity: custmer"),
        ("sql: features/history.sql", "sql: features/nothing.sql"),
        ("metric: roc_auc", "metric: rmse"),
        ("min_rows: 500", "min_row: 500"),
    )
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    lines = [
        int(message.removeprefix(f"{folder.as_posix()}/defs.yaml:").split(":")[0])
        for message in caught.value.faults
    ]
    assert lines == [4, 12, 31, 32, 45, 48]


def test_a_misspelt_key_does_not_also_report_what_follows_from_it(tmp_path: Path) -> None:
    # Without its event_time the target's dataset would have no partitions: that is no second fault.
    folder = write(tmp_path / "late", ("event_time: ordered", "event_tme: ordered"))
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    assert [message.partition("18: ")[2] for message in caught.value.faults] == [
        "unknown key 'event_tme' in datasets.orders. Allowed: source, description, columns, event_time, key, "
        "expectations, compatibility. Did you mean 'event_time'?"
    ]


def test_messages_name_files_from_the_projects_root(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    folder = write(tmp_path / "pipelines" / "defs" / "late", ("min_rows: 500", "min_rows: 0"))
    with pytest.raises(DeclarationError, match=r"^pipelines/defs/late/defs\.yaml:48: drift\.min_rows is 0"):
        read(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the file is empty. `dg scaffold defs driftline.MLPipeline <name>` shows what it holds."),
        (
            "# nothing\n",
            ":1: the file is empty. `dg scaffold defs driftline.MLPipeline <name>` shows what it holds.",
        ),
        ("[1, 2]", ":1: the file must be a block with the keys 'type' and 'attributes'."),
        ("type: pipelines.MLPipeline\nattributes: 5", ":2: attributes is 5, but must be a block of keys."),
        ("a: \x07", ":1: not readable as YAML: control characters are not allowed."),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "late").mkdir()
    file = tmp_path / "late" / "defs.yaml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        read(file)
    assert str(caught.value) == f"{file.as_posix()}{message}"


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="no such file"):
        read(tmp_path / "late" / "defs.yaml")
    (tmp_path / "defs.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(DeclarationError, match="not UTF-8 text"):
        read(tmp_path)


def test_a_folder_whose_name_cannot_be_a_pipelines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="the folder's name 'Late-Orders' cannot be a pipeline's"):
        read(write(tmp_path / "Late-Orders"))


def test_an_sql_file_that_leads_out_through_a_link_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "late")
    outside = tmp_path / "secret.sql"
    outside.write_text("SELECT 1")
    (folder / "late_orders.sql").unlink()
    (folder / "late_orders.sql").symlink_to(outside)
    with pytest.raises(DeclarationError, match=r"queries\.late_orders is 'late_orders\.sql': it leads out"):
        read(folder)


def test_the_fingerprint_changes_with_declaration_and_sql_only(tmp_path: Path) -> None:
    first = read(write(tmp_path / "a" / "late")).spec_hash
    assert read(write(tmp_path / "b" / "late")).spec_hash == first
    commented = write(tmp_path / "c" / "late", ("  queries:", "  # a comment\n  queries:"))
    assert read(commented).spec_hash == first
    assert read(write(tmp_path / "d" / "late", ("min_rows: 500", "min_rows: 501"))).spec_hash != first
    (commented / "features" / "history.sql").write_text(HISTORY.replace("avg", "max"))
    assert read(commented).spec_hash != first


def test_the_shipped_declarations_have_no_fault() -> None:
    folders = [file.parent for file in (REPOSITORY / "pipelines" / "defs").rglob("defs.yaml")]
    assert [read(folder).name for folder in folders] == [folder.name for folder in folders]
    assert "flight_delays" in [folder.name for folder in folders]


def test_the_check_command_prints_the_faults_of_all_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = write(tmp_path / "a" / "late")
    faulty = [write(tmp_path / name / "late", ("min_rows: 500", "min_rows: 1")) for name in "bc"]
    assert main(["check", str(sound)]) == 0
    assert main(["check", *(str(folder) for folder in [sound, *faulty])]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[2] for line in printed[1:]] == [
        "48: drift.min_rows is 1, but must be at least 2."
    ] * 2


def test_yaml_words_that_people_mean_as_text_stay_text() -> None:
    document = parse("on: [yes, no]\nstart: 2024-01-01\nat: 12:30\ntruth: true\n")
    assert document.value == {"on": ["yes", "no"], "start": "2024-01-01", "at": "12:30", "truth": True}
    assert document.line(("on", 1)) == 1
    assert document.line(("truth",)) == 4


def test_a_merge_takes_what_is_not_given() -> None:
    document = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n")
    assert document.value == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}
    assert not document.faults


@given(
    st.integers(0, len(SOUND)), st.integers(0, 40), st.text(alphabet="{}[]:,&*!|>'\"\n\t -#ab0", max_size=4)
)
def test_a_damaged_file_is_read_or_refused_but_never_crashes(start: int, length: int, put: str) -> None:
    import tempfile

    damaged = SOUND[:start] + put + SOUND[start + length :]
    folder = Path(tempfile.mkdtemp()) / "late"
    write(folder)
    (folder / "defs.yaml").write_text(damaged, encoding="utf-8")
    try:
        faults = _faults(folder)
    finally:
        shutil.rmtree(folder.parent)
    assert all(re.match(r"\S+/\w+\.(yaml|sql):\d+: ", fault) for fault in faults)


def _faults(folder: Path) -> tuple[str, ...]:
    try:
        read(folder)
    except DeclarationError as error:
        return error.faults
    return ()


POLICIES = [
    pytest.param(
        "retrain: {cooldwon: 3}",
        r"policy.yaml:1: unknown key 'cooldwon'.*Did you mean 'cooldown'",
        id="misspelt",
    ),
    pytest.param("retrain:\n  max_age: 0", r"policy.yaml:2: .*at least 1", id="out-of-bounds"),
    pytest.param("model: {seed: 3}", r"policy.yaml:1: 'model' is no part of a policy", id="another-block"),
    pytest.param(
        "- drift", r"policy.yaml:1: a policy is a file with the blocks drift and retrain", id="a-list"
    ),
    pytest.param("drift: {sensitivity: [}", r"policy.yaml:1: not valid YAML", id="no-yaml"),
]


@pytest.mark.parametrize(("text", "said"), POLICIES)
def test_a_faulty_policy_is_refused_by_its_line(text: str, said: str, tmp_path: Path) -> None:
    pipeline = read(write(tmp_path / "orders"))
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(DeclarationError, match=said):
        read_with_policy(pipeline, tmp_path / "policy.yaml")


def test_a_policy_takes_the_place_of_its_blocks_alone(tmp_path: Path) -> None:
    pipeline = read(write(tmp_path / "orders"))
    (tmp_path / "policy.yaml").write_text("retrain: {on: [drift], max_age: 9}")
    other = read_with_policy(pipeline, tmp_path / "policy.yaml")
    assert (other.spec.retrain.on, other.spec.retrain.max_age) == (("drift",), 9)
    assert other.spec.model_copy(update={"retrain": pipeline.spec.retrain}) == pipeline.spec
    assert other.sql == pipeline.sql


def test_search_validation_and_decisions_are_read(tmp_path: Path) -> None:
    said = """candidates:
      - use: decision_tree
        early_stopping: false
        class_weight: {0: 1, 1: 20}
        search:
          method: random
          space: {max_depth: [2, 9], max_features: {float: [0.1, 1], log: true}, criterion: {choice: [gini, entropy]}}
    validation: {method: grouped_kfold, folds: 4, group: [customer]}
    calibrate: auto
    threshold: {cost: {false_positive: 1, false_negative: 20}}"""
    folder = write(tmp_path / "sound")
    path = folder / "defs.yaml"
    path.write_text(re.sub("candidates: .*", said, path.read_text(encoding="utf-8")), encoding="utf-8")
    model = read(folder).spec.model
    (candidate,) = model.competitors
    assert candidate.search is not None
    assert candidate.search.space["max_depth"].int == (2, 9)
    assert candidate.search.space["max_features"].float == (0.1, 1)
    assert candidate.search.space["criterion"].choice == ("gini", "entropy")
    assert candidate.class_weight == {"0": 1.0, "1": 20.0}
    assert isinstance(model.threshold, ThresholdSpec)
