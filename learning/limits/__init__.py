"""Limits of the gate, each held against the judged rows, the model file or the clock."""
