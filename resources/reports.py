"""Reports: the folder of the HTML pages."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import dagster as dg

WEB_PATH = "/reports"
"""Path below which the web server of `driftline dev` serves the pages."""


class Reports(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """A folder of self-contained HTML pages."""

    folder: str
    """Root folder; pages lie in `<pipeline>/<partition>.html`."""

    web_url: str | None = None
    """URL of the web UI; without it addresses are those of the web UI that shows them."""

    def address(self, page: str) -> str:
        """Return where a browser finds a page, given its path in the folder.

        Examples
        --------
        >>> Reports(folder="/srv/reports").address("/srv/reports/churn/2024-01-01.html")
        '/reports/churn/2024-01-01.html'
        >>> Reports(folder="/srv/reports", web_url="https://ml.example/").address(
        ...     "/srv/reports/churn/index.html"
        ... )
        'https://ml.example/reports/churn/index.html'
        """
        path = Path(page).relative_to(self.folder).as_posix()
        return f"{(self.web_url or '').rstrip('/')}{WEB_PATH}/{quote(path)}"
