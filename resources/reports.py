"""Where HTML pages are kept for people to open."""

from __future__ import annotations

import dagster as dg


class Reports(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """A folder of self-contained HTML pages."""

    folder: str
    """Root folder; pages lie in `<pipeline>/<partition>.html`."""
    web_url: str = ""
    """Where the web UI is reached, for links to runs; empty makes none."""
