"""Sequences of two classes."""

import numpy as np

from models.sequences import Sequences, pad


def waves(count: int, seed: int) -> Sequences:
    """Slow and fast waves of 15 to 30 steps, in two channels."""
    rng = np.random.default_rng(seed)
    series, labels = [], []
    for number in range(count):
        steps = np.arange(rng.integers(15, 31))
        speed = (0.6, 1.5)[number % 2]
        phase = speed * steps + rng.uniform(0, 6)
        noise = 0.1 * rng.standard_normal((len(steps), 2))
        series.append((np.stack([np.sin(phase), np.cos(phase)], axis=-1) + noise).astype(np.float32))
        labels.append(("slow", "fast")[number % 2])
    return pad(series, labels)
