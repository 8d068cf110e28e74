"""Lookahead check of a feature view: rows up to an instant must not change when everything after it does.

Everything that the sources say after an instant is perturbed, and the view's SQL is run again. Rows with an
event timestamp up to that instant know nothing of it, so they may not change. The instants are some of the
view's own, chosen by a seed: the same partition is always checked in the same way.

Who looks ahead does so just before the instant, where the future is nearest. So an eighth of the partition before it
is compared, over sources of the view's `lookback` before that. A difference there may also come from a lookback that is
too short: then the whole partition is compared, over all that it was made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assets.features.leakage.changed_view import changed_rows
from assets.features.leakage.known_at import known_at_fault
from assets.features.leakage.ordered_sums import in_order
from assets.features.leakage.perturbation import Perturbation
from assets.features.leakage.row_difference import Difference, first_difference
from assets.features.view_sql import FeatureError
from declaration.names import EVENT_TIMESTAMP
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.sql import quote_literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

N_PERTURBATIONS = 1
"""Perturbations of one partition: each runs the view once more. Who looks ahead does so at nearly every instant, and
the next partition is perturbed at another."""

COMPARED_SHARE = 1 / 8
"""Share of a partition's span before the instant whose rows are compared."""

CHANGED_SHARE = 1 / 32
"""Share of a partition's span after the instant of which half of the rows come, changed; of what follows nothing does."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""An instant after which nothing comes."""


@dataclass(frozen=True)
class LookaheadReport:
    """Report of the lookahead check of one partition of a view.

    Attributes
    ----------
    checked
        Instants after which everything was changed, and nothing before them did.
    unchecked
        Why other perturbations say nothing: the SQL fails on the values that they make.
    """

    checked: tuple[datetime, ...]
    unchecked: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Summary in one line."""
        instants = ", ".join(f"what came after {instant.isoformat()}" for instant in self.checked)
        n = len(self.checked)
        return f"checked against {n} perturbation{'' if n == 1 else 's'}" + (
            f": {instants}" if instants else ""
        )


@dataclass(frozen=True)
class _Rows:
    """One partition of a view as it was made: the table of its rows, and the columns in it."""

    connection: duckdb.DuckDBPyConnection
    pipeline: Pipeline
    view: str
    window: Window
    table: str
    schema: pa.Schema

    def difference(self, perturbation: Perturbation, span: tuple[datetime, datetime]) -> Difference | None:
        """Make the rows of a span of event timestamps again, in a perturbed world, and compare them."""
        keys = self.pipeline.spec.view_keys(self.view)
        with (
            in_order(self.connection),
            changed_rows(
                self.connection,
                self.pipeline,
                self.view,
                self.window,
                perturbation,
                self.schema,
                span,
                # Should a column be missing then, the whole is looked at.
                is_lean=perturbation.since is not None,
            ) as changed,
        ):
            return first_difference(self.connection, self.table, changed, keys, self.schema, span)


def check_no_lookahead(
    connection: duckdb.DuckDBPyConnection,
    pipeline: Pipeline,
    view: str,
    rows: str,
    window: Window,
    *,
    instants: Sequence[datetime] | None = None,
) -> LookaheadReport:
    """Demand that a partition's rows do not change with what became known after them.

    Parameters
    ----------
    connection
        Where the datasets behind the view are temporary tables or views of their names.
    pipeline, view
        Whose SQL.
    rows
        Table of the partition's rows, as `stable_types` gives them.
    window
        The partition.
    instants
        After which everything is changed; by default `N_PERTURBATIONS` of the view's own.

    Raises
    ------
    FeatureError
        If a row changes; with the column, the row, both values, and the instant after which the sources differed.
        Or if a `known_at` fails on the rows of its dataset.
    """
    import duckdb

    schema = connection.sql(f"SELECT * FROM {rows} LIMIT 0").to_arrow_table().schema
    view_rows = _Rows(connection, pipeline, view, window, rows, schema)
    checked, unchecked = [], []
    for instant in _chosen(view_rows) if instants is None else instants:
        try:
            difference = _changed_by_the_future(view_rows, instant)
        except duckdb.Error as error:
            if fault := known_at_fault(connection, pipeline, view):
                raise FeatureError(
                    f"feature view '{view}' cannot be checked for looking ahead: {fault}. Correct the expression, "
                    "with TRY_CAST where a value may be malformed: what gives NULL counts as never known."
                ) from error
            unchecked.append(f"{instant.isoformat()}: {' '.join(str(error).split())}")
            continue
        if difference is not None:
            raise FeatureError(
                f"feature view '{view}' ({pipeline.spec.features[view].sql}) looks ahead: {difference.column} for "
                f"{difference.row} is {difference.was}, but {difference.became} when only what became known after "
                f"{instant.isoformat()} is changed ({difference.n_rows:,} rows differ). Let its SQL use what is known at `event_timestamp`; where a column "
                "is known before its row's event time, declare `known_at` for it."
            )
        checked.append(instant)
    return LookaheadReport(tuple(checked), tuple(unchecked))


def _chosen(view_rows: _Rows) -> Sequence[datetime]:
    """Choose instants of the view's own, not the last where there are others: the last has least to come."""
    instants: list[tuple[datetime]] = view_rows.connection.sql(
        f"SELECT instant FROM (SELECT DISTINCT {EVENT_TIMESTAMP} AS instant FROM {view_rows.table}) "
        f"ORDER BY instant = (SELECT max({EVENT_TIMESTAMP}) FROM {view_rows.table}), "
        f"hash(instant, {quote_literal(_seed(view_rows))}), instant LIMIT {N_PERTURBATIONS}"
    ).fetchall()
    return [instant for (instant,) in instants]


def _seed(view_rows: _Rows) -> str:
    return f"{view_rows.pipeline.name} {view_rows.view} {view_rows.window.key}"


def _changed_by_the_future(view_rows: _Rows, instant: datetime) -> Difference | None:
    """Return the first of the rows up to an instant that changes with what became known after it; None if none does.

    Raises
    ------
    duckdb.Error
        If the view's SQL fails on the changed values.
    FeatureError
        If its rows change each time they are made.
    """
    import duckdb

    whole = Perturbation(instant, f"{_seed(view_rows)} {instant.isoformat()}")
    near, first = _near(whole, view_rows)
    with suppress(duckdb.Error):
        difference = view_rows.difference(near, (first, instant))
        if difference is None or view_rows.difference(_unchanged(near), (first, instant)) is None:
            return difference
    span = (view_rows.window.start, instant)
    difference = view_rows.difference(whole, span)
    if difference is None or view_rows.difference(_unchanged(whole), span) is None:
        return difference
    raise FeatureError(
        f"feature view '{view_rows.view}' ({view_rows.pipeline.spec.features[view_rows.view].sql}) gives another "
        f"{difference.column} for {difference.row} each time it is run. "
        "Order what its windows and aggregates depend on, and use nothing random."
    )


def _near(whole: Perturbation, view_rows: _Rows) -> tuple[Perturbation, datetime]:
    """Narrow a perturbation to what lies around its instant; return also the first row that can be compared then."""
    span = view_rows.window.end - view_rows.window.start
    first = max(view_rows.window.start, whole.instant - span * COMPARED_SHARE)
    since = first - view_rows.pipeline.spec.features[view_rows.view].lookback
    return replace(whole, since=since, until=whole.instant + span * CHANGED_SHARE), first


def _unchanged(perturbation: Perturbation) -> Perturbation:
    """Return a perturbation of the same rows that changes none: nothing is known after the end of time."""
    return replace(perturbation, instant=NEVER, until=None)
