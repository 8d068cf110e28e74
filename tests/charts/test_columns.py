"""Columns that pictures share."""

from __future__ import annotations

import pytest

from charts import ChartError, columns_of


def test_columns_fill_the_width_between_their_bounds() -> None:
    few, some, many = (columns_of([str(i) for i in range(n)], ["wind"], width=1200) for n in (2, 40, 400))
    # 22 px margin and four characters of 6.5 px; 20 px remain free on the right.
    assert few.left == some.left == 48
    assert few.cell == 96
    assert some.right == pytest.approx(1180)
    assert many.cell == 12
    assert (few.width, many.width) == (1200, 48 + 400 * 12 + 20)


def test_positions_count_columns_from_the_left_edge() -> None:
    columns = columns_of(["a", "b"], [])
    assert [columns.edge(at) for at in (0, 0.5, 2)] == [22, 70, 214]
    assert [label.position for label in columns.labels] == [70, 166]


def test_links_belong_to_names() -> None:
    with pytest.raises(ChartError, match="2 names and 1 links"):
        columns_of(["a", "b"], [], links=["./a.html"])
