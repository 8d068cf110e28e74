"""Origin of a report: the runs that made it and its model, and the rows that were set aside before."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Quarantined:
    """Rows of a dataset's partition that broke a rule: their table in the lake, and how many broke each rule."""

    dataset: str
    table: str
    n_rows: int
    rules: tuple[tuple[str, int], ...]

    @property
    def rules_text(self) -> str:
        """Return the broken rules in words, the most frequent first."""
        return "; ".join(f"{rule} ({n:,})" for rule, n in self.rules)


@dataclass(frozen=True)
class Origin:
    """Origin of a report.

    Attributes
    ----------
    run_id, run_link
        Dagster's run that made the report, and its address in the web UI; '' where that is not known.
    model_run_id
        MLflow's run that registered the model version; '' without one.
    quarantined
        Datasets with rows that were set aside in this partition.
    """

    run_id: str
    run_link: str = ""
    model_run_id: str = ""
    quarantined: tuple[Quarantined, ...] = ()

    @property
    def n_quarantined(self) -> int:
        """Count the rows that were set aside."""
        return sum(dataset.n_rows for dataset in self.quarantined)


def run_link(web_url: str, run_id: str) -> str:
    """Return the address of a run in the web UI; '' where the UI's address is not one of the web.

    Examples
    --------
    >>> run_link("http://127.0.0.1:3000/", "a b"), run_link("javascript:alert(1)", "a"), run_link("", "a")
    ('http://127.0.0.1:3000/runs/a%20b', '', '')
    """
    if not run_id or not web_url.startswith(("http://", "https://")):
        return ""
    return f"{web_url.rstrip('/')}/runs/{quote(run_id, safe='')}"
