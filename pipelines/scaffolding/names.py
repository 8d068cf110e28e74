"""Names of an API's dataset and columns: by the last word of an address, and by the paths of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pipelines.loading.checks.blocks import PARTITION_COLUMN
from pipelines.scaffolding.source import QUARANTINE_COLUMN
from pipelines.scaffolding.text import snake_case
from sources.rejects import OWN_PREFIX

_OURS = ("load_time", "row_number", "row_time", PARTITION_COLUMN, QUARANTINE_COLUMN)

MAX_NAME = 120
"""Characters of a column's name that are kept of its path."""


def column_names(paths: Iterable[str]) -> Mapping[str, str]:
    """Name columns by their paths, with underscores; SQL does not tell capitals apart, and some names are ours.

    Returns
    -------
    Mapping
        Path by name, in the order of the paths.

    Examples
    --------
    >>> column_names(["address.city", "address_city", "@odata.etag"])
    {'address_city': 'address.city', 'address_city_2': 'address_city', 'odata_etag': '@odata.etag'}
    """
    taken: dict[str, str] = {}
    lower = {*_OURS}
    for path in paths:
        base = re.sub(r"\W+", "_", path).strip("_")[:MAX_NAME] or "column"
        name, number = base, 2
        while name.lower() in lower or name.lower().startswith(OWN_PREFIX) or not name.isidentifier():
            name, number = f"{base if base[0].isalpha() else f'c_{base}'}_{number}", number + 1
        lower.add(name.lower())
        taken[name] = path
    return taken


def dataset_name(address: str) -> str:
    """Name a dataset by the last word of a path, or by an operation.

    Examples
    --------
    >>> dataset_name("/v1/shops/{shop}/orders"), dataset_name("listOrders"), dataset_name("/2024")
    ('orders', 'list_orders', 'rows_2024')
    """
    parts = [part for part in address.split("/") if part and "{" not in part]
    found = snake_case(parts[-1] if parts else "rows") or "rows"
    return found if found[0].isalpha() else f"rows_{found}"
