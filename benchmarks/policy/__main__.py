"""Retraining policies on streams with known changes; see docs/concepts/policy-benchmark.md."""

from __future__ import annotations

import sys

from benchmarks.policy.life import live
from benchmarks.policy.ours import Ours
from benchmarks.policy.policies import EveryBatch, Never, evenly
from benchmarks.policy.streams import synthetic
from benchmarks.policy.training import Trainer
from pipelines.spec import RetrainSpec
import time

def main() -> int:
    for name in sys.argv[1].split(","):
      for seed in range(int(sys.argv[2])):
        stream = synthetic(name, seed)
        trainer = Trainer(stream)
        t=time.time()
        ours = live("ours", stream, Ours(RetrainSpec(max_age=10)), trainer); t1=time.time()-t
        default = live("ours, defaults", stream, Ours(RetrainSpec()), trainer); t2=time.time()-t
        lives = [ours, default, live("never", stream, Never(), trainer), live("every batch", stream, EveryBatch(), trainer)]
        t3=time.time()-t
        lives.append(live("every k", stream, evenly(stream.live, len(ours.trainings)), trainer))
        print(name, seed, f"{t1:.1f} {t2:.1f} {t3:.1f} s")
        for one in lives:
            print(f"   {one.policy:16} acc {sum(one.accuracy)/30:.4f} auc {sum(one.auc)/30:.4f} trainings {len(one.trainings)} {one.trainings} promoted {[ (p.window,round(p.gain,3)) for p in one.promotions][:12]} alarms {sum(a.is_alarm for a in one.answers)} cols {sum(a.any_column for a in one.answers)}")
        print("   ", [a.why for a in ours.answers])
    return 0


if __name__ == "__main__":
    sys.exit(main())
