"""Charts: small SVG pictures from values, for Markdown metadata and HTML pages.

The bottom of the house: knows numbers and texts, nothing of pipelines. Every text is escaped by
Jinja2, because column names and categories come from outside. A picture brings its own white
background, so that it reads in light and dark pages.
"""

from charts.bars import bar_pairs, bars
from charts.columns import Columns, columns_of
from charts.heatmaps import heatmap
from charts.histograms import histogram_pair, mini_bar_pairs, mini_histogram_pair
from charts.lanes import Lane, State
from charts.line_charts import lines
from charts.markdown import as_markdown_image
from charts.scales import ChartError
from charts.timelines import Course, Event, Shape, timeline

__all__ = [
    "ChartError",
    "Columns",
    "Course",
    "Event",
    "Lane",
    "Shape",
    "State",
    "as_markdown_image",
    "bar_pairs",
    "bars",
    "columns_of",
    "heatmap",
    "histogram_pair",
    "lines",
    "mini_bar_pairs",
    "mini_histogram_pair",
    "timeline",
]
