"""Two histograms on the same edges: the rows the champion learned from, and those that arrive now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charts.colours import CURRENT_COLOUR, REFERENCE_COLOUR
from charts.drawing import draw
from charts.legends import legend
from charts.scales import ChartError, Scale, text_width, ticks

WIDTH, HEIGHT = 600, 280
MINI_WIDTH, MINI_HEIGHT = 150, 40


def _densities(edges: NDArray[np.float64], counts: ArrayLike, title: str) -> NDArray[np.float64]:
    """Return the share of rows per unit of the axis, so that areas, not heights, are shares."""
    values = np.asarray(counts, dtype=np.float64)
    widths = np.diff(edges)
    if values.shape != widths.shape or not (widths > 0).all():
        raise ChartError(
            f"histogram '{title}': {len(edges)} edges and {len(values)} counts. "
            "Give increasing edges, one more than counts."
        )
    total = values.sum()
    return np.zeros_like(values) if total == 0 else values / total / widths


def _outline(edges: NDArray[np.float64], heights: NDArray[np.float64], x: Scale, y: Scale) -> str:
    if not heights.any():
        return ""
    steps = "".join(
        f"V{y(height)}H{x(right)}" for height, right in zip(heights.tolist(), edges[1:].tolist(), strict=True)
    )
    return f"M{x(float(edges[0]))} {y(0.0)}{steps}V{y(0.0)}"


def histogram_pair(
    edges: ArrayLike,
    reference_counts: ArrayLike,
    current_counts: ArrayLike,
    *,
    title: str,
    labels: tuple[str, str] = ("reference", "current"),
    width: float = WIDTH,
) -> str:
    """Draw two distributions over the same edges, each scaled to area one.

    Parameters
    ----------
    edges
        Increasing edges. Shape (n_bins + 1,).
    reference_counts, current_counts
        Rows per bin. Shape (n_bins,). Windows may differ in size.
    title
        Heading of the picture.
    labels
        Names of the two windows.
    width
        Of the picture in px.

    Returns
    -------
    str
        SVG text.

    Raises
    ------
    ChartError
        If the edges do not increase or the counts do not fit them.
    """
    bounds = np.asarray(edges, dtype=np.float64)
    before, now = _densities(bounds, reference_counts, title), _densities(bounds, current_counts, title)
    is_even = bool(np.allclose(np.diff(bounds), bounds[1] - bounds[0]))
    if is_even:
        before, now = before * (bounds[1] - bounds[0]), now * (bounds[1] - bounds[0])
    top, bottom = 54, HEIGHT - 30
    y_scale = Scale(0.0, max(float(before.max()), float(now.max()), 1e-300), bottom, top)
    y_marks = ticks(y_scale, count=4)
    left = 34 + text_width([mark.label for mark in y_marks])
    x_scale = Scale(float(bounds[0]), float(bounds[-1]), left, width - 22)
    return draw(
        "histograms.svg.j2", title=title, width=width, height=HEIGHT, left=left, right=width - 22, top=top,
        bottom=bottom, x_ticks=ticks(x_scale, count=round(width / 75)), y_ticks=y_marks, stroke_width=1.8,
        reference=_outline(bounds, before, x_scale, y_scale), reference_colour=REFERENCE_COLOUR,
        current=_outline(bounds, now, x_scale, y_scale), current_colour=CURRENT_COLOUR,
        legend=legend([(labels[0], REFERENCE_COLOUR), (labels[1], CURRENT_COLOUR)], is_filled=True),
        y_label="share of rows per bin" if is_even else "density",
    )  # fmt: skip


def mini_histogram_pair(edges: ArrayLike, reference_counts: ArrayLike, current_counts: ArrayLike) -> str:
    """Draw `histogram_pair` without axes, small enough for a table's cell."""
    bounds = np.asarray(edges, dtype=np.float64)
    before, now = _densities(bounds, reference_counts, "mini"), _densities(bounds, current_counts, "mini")
    y_scale = Scale(0.0, max(float(before.max()), float(now.max()), 1e-300), MINI_HEIGHT - 2, 3)
    x_scale = Scale(float(bounds[0]), float(bounds[-1]), 2, MINI_WIDTH - 2)
    return _mini(
        _outline(bounds, before, x_scale, y_scale), _outline(bounds, now, x_scale, y_scale), CURRENT_COLOUR
    )


def mini_bar_pairs(reference_shares: Sequence[float], current_shares: Sequence[float]) -> str:
    """Draw the shares of a few categories as steps, small enough for a table's cell; the last may be 'new'."""
    before = np.asarray(reference_shares, dtype=np.float64)
    now = np.asarray(current_shares, dtype=np.float64)
    if before.shape != now.shape:
        raise ChartError(
            f"mini_bar_pairs: {len(before)} reference and {len(now)} current shares. Give pairs."
        )
    bounds = np.arange(len(before) + 1, dtype=np.float64)
    top = max(float(before.max(initial=0)), float(now.max(initial=0)), 1e-300)
    y_scale, x_scale = (
        Scale(0.0, top, MINI_HEIGHT - 2, 3),
        Scale(0.0, float(max(len(before), 1)), 2, MINI_WIDTH - 2),
    )
    return _mini(
        _columns(bounds, before, x_scale, y_scale), _columns(bounds, now, x_scale, y_scale), CURRENT_COLOUR
    )


def _columns(bounds: NDArray[np.float64], shares: NDArray[np.float64], x: Scale, y: Scale) -> str:
    """Draw separate columns with a gap, so that categories do not look like a continuous axis."""
    gap = 0.12
    return "".join(
        f"M{x(left + gap)} {y(0.0)}V{y(share)}H{x(left + 1 - gap)}V{y(0.0)}"
        for left, share in zip(bounds[:-1].tolist(), shares.tolist(), strict=True)
    )


def _mini(reference: str, current: str, current_colour: str) -> str:
    return draw(
        "histograms.svg.j2", title="", width=MINI_WIDTH, height=MINI_HEIGHT, left=2, right=MINI_WIDTH - 2, top=3,
        bottom=MINI_HEIGHT - 2, x_ticks=[], y_ticks=[], stroke_width=1.3, reference=reference, current=current,
        reference_colour=REFERENCE_COLOUR, current_colour=current_colour, legend=[], y_label="",
    )  # fmt: skip
