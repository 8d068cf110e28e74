"""Retraining decisions: when a drift report asks for a challenger, and how a promoted one is kept on probation."""
