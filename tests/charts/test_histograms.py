"""Pairs of histograms."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from charts import ChartError, histogram_pair, mini_bar_pairs, mini_histogram_pair


def test_windows_of_different_size_are_drawn_by_share() -> None:
    edges = [0.0, 1.0, 2.0]
    small = histogram_pair(edges, [1, 1], [1, 3], title="t")
    assert small == histogram_pair(edges, [10, 10], [100, 300], title="t")


def test_uneven_bins_are_drawn_by_density() -> None:
    assert "density" in histogram_pair([0.0, 1.0, 10.0], [1, 1], [1, 1], title="t")
    assert "share of rows per bin" in histogram_pair([0.0, 1.0, 2.0], [1, 1], [1, 1], title="t")


def test_counts_that_do_not_fit_their_edges_are_refused() -> None:
    with pytest.raises(ChartError, match="3 edges and 3 counts"):
        histogram_pair([0.0, 1.0, 2.0], [1, 2, 3], [1, 2], title="t")
    with pytest.raises(ChartError, match="increasing edges"):
        histogram_pair([0.0, 0.0, 2.0], [1, 2], [1, 2], title="t")


def test_an_empty_window_leaves_the_other_visible() -> None:
    svg = histogram_pair([0.0, 1.0, 2.0], [1, 2], [0, 0], title="t")
    ElementTree.fromstring(svg)
    assert "fill-opacity" in svg


def test_minis_are_well_formed_and_small() -> None:
    for svg in (mini_histogram_pair([0.0, 1.0, 2.0], [1, 2], [2, 1]), mini_bar_pairs([0.5, 0.5], [0.9, 0.1])):
        ElementTree.fromstring(svg)
        assert len(svg) < 2_000
    with pytest.raises(ChartError, match="Give pairs"):
        mini_bar_pairs([0.5], [0.5, 0.5])
