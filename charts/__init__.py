"""Charts: small SVG pictures from values, for Markdown metadata and HTML pages.

The bottom of the house: knows numbers and texts, nothing of pipelines. Every text is escaped by
Jinja2, because column names and categories come from outside. A picture brings its own white
background; a page that holds it turns it dark with the page's own rules (`page_style`).
"""

from charts.bars import bar_pairs, bars
from charts.calibrations import Calibrated, calibration
from charts.columns import Columns, columns_of
from charts.heatmaps import heatmap
from charts.histograms import histogram_pair, mini_bar_pairs, mini_histogram_pair
from charts.lanes import Lane, State
from charts.line_charts import lines
from charts.markdown import as_markdown_cell, as_markdown_image
from charts.page_style import page_style
from charts.scales import ChartError
from charts.sparklines import sparkline
from charts.timelines import Course, Event, Shape, timeline

__all__ = [
    "Calibrated",
    "ChartError",
    "Columns",
    "Course",
    "Event",
    "Lane",
    "Shape",
    "State",
    "as_markdown_cell",
    "as_markdown_image",
    "bar_pairs",
    "bars",
    "calibration",
    "columns_of",
    "heatmap",
    "histogram_pair",
    "lines",
    "mini_bar_pairs",
    "mini_histogram_pair",
    "page_style",
    "sparkline",
    "timeline",
]
