"""Backtesting: a history lived through under one policy after the other, by the functions that decide in earnest."""
