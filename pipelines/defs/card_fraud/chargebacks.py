"""Frauds as they are reported: days after the payment, by the customers who were charged."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

_SPEC = importlib.util.spec_from_file_location(
    "driftline_card_fraud", Path(__file__).with_name("generate.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
transactions = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = transactions
_SPEC.loader.exec_module(transactions)


def read(start: datetime, end: datetime) -> pa.Table:
    """Return the frauds that were reported in [start, end)."""
    first = start - transactions.REPORTED_WITHIN - timedelta(days=1)
    rows = pa.concat_tables([transactions.day_of(day) for day in transactions.days(first, end)])
    reported = pc.and_(
        pc.greater_equal(rows["reported_at"], pa.scalar(start)), pc.less(rows["reported_at"], pa.scalar(end))
    )
    return rows.filter(pc.and_(rows["is_fraud"], reported)).select(["transaction_id", "reported_at"])
