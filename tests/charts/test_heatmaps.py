"""Heatmaps."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from charts import ChartError, columns_of, heatmap
from charts.heatmaps import colour_of

SVG = "{http://www.w3.org/2000/svg}"


def test_each_cell_has_its_value_and_colour() -> None:
    svg = heatmap(["wind"], columns_of(["May", "June"], ["wind"]), np.array([[0.0, 1.0]]), title="drift")
    cells = [r for r in ElementTree.fromstring(svg).iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None]
    assert [cell.get("fill") for cell in cells] == [colour_of(0.0), colour_of(1.0)]
    assert cells[1].findtext(f"{SVG}title") == "wind, June: 1"


def test_unknown_cells_are_hatched_not_coloured() -> None:
    svg = heatmap(["wind"], columns_of(["May"], ["wind"]), np.array([[np.nan]]), title="drift")
    cells = [r for r in ElementTree.fromstring(svg).iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None]
    assert [cell.get("fill") for cell in cells] == ["url(#unknown-1236)"]


def test_many_columns_get_slanted_labels() -> None:
    months = [f"2013-{i:02d}-01" for i in range(30)]
    assert "rotate(-45)" in heatmap(["wind"], columns_of(months, ["wind"]), np.zeros((1, 30)), title="drift")


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ChartError, match="for 1 rows, 2 columns"):
        heatmap(["wind"], columns_of(["May", "June"], ["wind"]), np.zeros((1, 3)), title="drift")


def test_no_rows_give_an_empty_picture() -> None:
    ElementTree.fromstring(heatmap([], columns_of(["May"], []), np.zeros((0, 1)), title="drift"))


def test_many_cells_become_one_shape_a_colour() -> None:
    """3,000 cells in 30 rows, each one third pale, one third deep, one third unknown."""
    values = np.tile(np.repeat([0.0, 1.0, np.nan], [34, 33, 33]), (30, 1))
    columns = columns_of([str(i) for i in range(100)], ["x"])
    picture = ElementTree.fromstring(heatmap([f"f{i}" for i in range(30)], columns, values, title="drift"))
    hatch = next(picture.iter(f"{SVG}pattern")).get("id")
    shapes = [path for path in picture.iter(f"{SVG}path") if path.get("fill")]
    assert [path.get("fill") for path in shapes] == [colour_of(0.0), colour_of(1.0), f"url(#{hatch})"] * 30
    assert all((path.get("d") or "").count("M") == 1 for path in shapes)


def test_cells_of_one_colour_that_lie_apart_stay_apart() -> None:
    """2,000 cells in 20 rows: pale and deep in turn, so that each shape has 50 parts."""
    columns = columns_of([str(i) for i in range(100)], ["x"])
    values = np.tile([0.0, 1.0], (20, 50))
    picture = ElementTree.fromstring(heatmap([f"f{i}" for i in range(20)], columns, values, title="drift"))
    shapes = [path.get("d") or "" for path in picture.iter(f"{SVG}path") if path.get("fill")]
    assert [path.count("M") for path in shapes] == [50] * 40


def test_dividers_stand_between_columns_and_are_explained() -> None:
    columns = columns_of(["May", "June"], ["wind"])
    svg = heatmap(["wind"], columns, [[0.0, 1.0]], title="drift", dividers=[1], divided_by="<version>")
    picture = ElementTree.fromstring(svg)
    assert any(
        path.get("d", "").startswith(f"M{columns.edge(1) - 0.5} ") for path in picture.iter(f"{SVG}path")
    )
    assert "<version>" in [text.text for text in picture.iter(f"{SVG}text")]


def test_only_what_reaches_one_reads_one() -> None:
    svg = heatmap(["wind"], columns_of(["May", "June"], ["wind"]), [[0.997, 1.0]], title="drift")
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"0.99", "1.00"} <= set(texts)
