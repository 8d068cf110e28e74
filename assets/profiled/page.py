"""Pages of one partition: its profile as a table with small pictures, and its quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from assets.profiled.merge import EarlierColumn, coarsen, shared_width
from assets.profiled.quality import DataQuality
from assets.profiled.statistics import QUANTILES, ColumnProfile, Histogram

MOST_CHARACTERS = 40
"""Length at which texts of the data are cut."""
MOST_PAGE_COLUMNS = 60
"""Columns shown; the lake's table has all."""


def cell(value: object) -> str:
    """Write a value that came from outside into a Markdown table.

    Examples
    --------
    >>> cell("a|b<i>")
    'a&#124;b&lt;i&gt;'
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4g}" if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    text = " ".join(str(value).split())
    text = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "*": "&#42;", "_": "&#95;",
               "[": "&#91;", "]": "&#93;", "\\": "&#92;", "!": "&#33;"}  # fmt: skip
    return "".join(escapes.get(character, character) for character in text)


def profile_page(profiles: Sequence[ColumnProfile], earlier: Mapping[str, EarlierColumn]) -> str:
    """Write the profile as one table, a row per column, beside what earlier partitions held.

    Parameters
    ----------
    profiles
        The partition's columns.
    earlier
        Earlier partitions, merged; empty for the first.
    """
    if not profiles or profiles[0].n_rows == 0:
        return "No rows."
    header = (
        "| column | type | missing | distinct | min | median | max | mean ± sd | most frequent | distribution |\n"
        "|---|---|---:|---:|---:|---:|---:|---:|---|---|"
    )
    rows = [_profile_line(profile, earlier.get(profile.name)) for profile in profiles[:MOST_PAGE_COLUMNS]]
    note = "The grey shape is what earlier partitions held." if earlier else ""
    left = len(profiles) - MOST_PAGE_COLUMNS
    more = f"{left} more columns are in the lake's profiles table." if left > 0 else ""
    return "\n".join([f"{profiles[0].n_rows:,} rows passed. {note}", "", header, *rows, "", more]).strip()


def _profile_line(profile: ColumnProfile, earlier: EarlierColumn | None) -> str:
    missing = (profile.n_null + profile.n_nan) / profile.n_rows
    median = profile.quantiles[QUANTILES.index(0.5)] if profile.quantiles else None
    moments = profile.moments
    spread = f"{cell(moments.mean)} ± {cell(moments.standard_deviation)}" if moments else ""
    distinct = "unique" if profile.is_unique else cell(profile.n_distinct)
    frequent = ", ".join(f"{cell(value)} ({n / profile.n_rows:.0%})" for value, n in profile.top_values[:3])
    shown = [
        cell(profile.name), cell(profile.type), f"{missing:.1%}" if missing else "", distinct,
        cell(_extreme(profile.minimum)), cell(median), cell(_extreme(profile.maximum)), spread, frequent,
        _picture(profile, earlier),
    ]  # fmt: skip
    return f"| {' | '.join(shown)} |"


def _extreme(text: str | None) -> str | None:
    return text.removesuffix("+00").removesuffix(" 00:00:00") if text else text


def _picture(profile: ColumnProfile, earlier: EarlierColumn | None) -> str:
    """Draw the column's distribution over that of earlier partitions."""
    from charts import as_markdown_image, mini_bar_pairs, mini_histogram_pair

    if profile.histogram is not None:
        before = earlier.histogram if earlier else None
        edges, past, now = shared_bins(before, profile.histogram)
        return as_markdown_image(
            mini_histogram_pair(edges, past, now), f"distribution of {cell(profile.name)}"
        )
    if len(profile.top_values) > 1:
        n_earlier = max(earlier.n_rows - earlier.n_missing, 1) if earlier else 1
        seen = earlier.top_values if earlier else {}
        n_now = max(profile.n_rows - profile.n_null, 1)
        past_shares = [seen.get(value, 0) / n_earlier for value, _ in profile.top_values]
        shares = [n / n_now for _, n in profile.top_values]
        return as_markdown_image(
            mini_bar_pairs(past_shares, shares), f"most frequent values of {cell(profile.name)}"
        )
    return ""


def shared_bins(
    before: Histogram | None, now: Histogram
) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Spread two histograms over the same edges: edges, counts before, counts now."""
    if before is None:
        return now.edges, (0,) * len(now.counts), now.counts
    width = shared_width(before, now)
    if math.isinf(width):
        # Bins that hold both are wider than any number: the present ones are drawn alone.
        return now.edges, (0,) * len(now.counts), now.counts
    wide = [coarsen(histogram, width) for histogram in (before, now)]
    first = min(histogram.first for histogram in wide)
    last = max(histogram.first + len(histogram.counts) for histogram in wide)
    spread = [(0,) * (h.first - first) + h.counts + (0,) * (last - h.first - len(h.counts)) for h in wide]
    return tuple(place * width for place in range(first, last + 1)), spread[0], spread[1]


def quality_page(quality: DataQuality) -> str:
    """Write the quality score and its dimensions as a table and a picture."""
    from charts import as_markdown_image, bars

    if quality.score is None:
        return "No dimension of quality could be measured: there are no rows."
    lines = [
        f"| {name} | {value:.4f} | {quality.weight(name):.0%} |" for name, value in quality.dimensions.items()
    ]
    drawn = bars(
        [(str(name), value) for name, value in quality.dimensions.items()], title="Quality by dimension"
    )
    head = [
        f"Quality score: **{quality.score:.4f}**",
        "",
        "| dimension | value | weight |",
        "|---|---:|---:|",
    ]
    return "\n".join([*head, *lines, "", as_markdown_image(drawn, "Quality by dimension")])
