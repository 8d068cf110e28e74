"""Every policy on one draw of a stream; the unit of work of a process."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.policy.elec2 import elec2
from benchmarks.policy.life import Life, Policy, live
from benchmarks.policy.ours import Ours
from benchmarks.policy.policies import (
    AdwinOnErrors,
    EveryBatch,
    Never,
    OnDrift,
    evenly,
    evidently_default,
    p_and_effect,
    raw_ks,
)
from benchmarks.policy.streams import synthetic
from benchmarks.policy.training import Trainer
from declaration.drift import RetrainSpec

OURS = RetrainSpec(max_age=10)
"""What `ours` declares: daily windows, and a safety net of ten of them. All else is the default."""

PHASES = (0.25, 0.5, 0.75)
"""Where in its step the plain schedule starts; its figures are the mean, so that no draw is lucky."""

DEFAULTS, MATCHED, MATCHED_DEFAULTS = "ours, defaults", "every k", "every k (defaults)"


@dataclass(frozen=True)
class Done:
    """Lives of one draw, and what they cost."""

    lives: tuple[Life, ...]
    cpu_s: float


def lives_of(name: str, seed: int) -> Done:
    """Live through one draw of a stream under every policy.

    Parameters
    ----------
    name
        One of the synthetic streams, or `Elec2`.
    seed
        Of the draw.
    """
    started = time.process_time()
    stream = elec2() if name == "Elec2" else synthetic(name, seed)
    if stream is None:
        raise FileNotFoundError("the data of Elec2 is absent")
    trainer = Trainer(stream)
    ours = live("ours", stream, Ours(OURS), trainer)
    defaults = live(DEFAULTS, stream, Ours(RetrainSpec()), trainer)
    plain: dict[str, Policy] = {
        "never": Never(),
        "every batch": EveryBatch(),
        "raw KS": OnDrift(raw_ks),
        "Evidently's rule": OnDrift(evidently_default),
        "p and effect": OnDrift(p_and_effect),
        "ADWIN on errors": AdwinOnErrors(),
    }
    scheduled = [
        live(label, stream, evenly(stream.live, len(model.trainings), phase), trainer)
        for label, model in ((MATCHED, ours), (MATCHED_DEFAULTS, defaults))
        for phase in PHASES
    ]
    others = [live(label, stream, policy, trainer) for label, policy in plain.items()]
    return Done((ours, defaults, *scheduled, *others), time.process_time() - started)
