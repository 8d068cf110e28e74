"""The product's own decision on a stream, on the settings of a declaration."""

from __future__ import annotations

from benchmarks.policy.streams.stream import Stream
from declaration.drift import RetrainSpec
from declaration.model import ModelSpec
from drift.backtesting.declared import Declared


def ours(stream: Stream, retrain: RetrainSpec, span: int | None = None) -> Declared:
    """Declare what a stream is lived through under.

    Parameters
    ----------
    stream
        What will be lived through.
    retrain, span
        The `retrain` block, and `model.train_window` less what the labels are late.
    """
    model = ModelSpec(candidates=(stream.candidate,), train_window=stream.reach(span))
    # A stream is watched where it is about the drift of its columns: the decision to train does not read it.
    return Declared(model, retrain, watches=stream.is_watched)
