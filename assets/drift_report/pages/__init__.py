"""Pages of a drift report: one HTML file a window, and the history of a model over all of them."""
