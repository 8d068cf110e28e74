"""Peak memory of a measured program is its own."""

import numpy as np

from benchmarks.measure import measure, peak_mb


def test_the_memory_of_a_large_parent_is_not_that_of_its_child() -> None:
    held = np.ones(50_000_000)  # 400 MB
    small = measure("small", "benchmarks.measure:peak_mb")
    assert peak_mb() > 400
    assert held.size
    assert small.peak_mb < 200
