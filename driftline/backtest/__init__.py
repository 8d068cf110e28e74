"""`driftline backtest`: the decisions that another policy would have taken on what was observed."""
