"""Combinations of options that hold every pair, or every triple, of their values."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Combination = dict[str, Any]
SAMPLED, COMPARED = 2000, 40


def covering(
    axes: Mapping[str, Sequence[Any]], strength: int, allowed: Callable[[Combination], bool]
) -> list[Combination]:
    """Choose allowed combinations in which every possible group of `strength` values stands together.

    What is possible is what a large sample holds; the choice is greedy, among some combinations at a time.
    """
    draw = random.Random(0)
    drawn = ({name: draw.choice(values) for name, values in axes.items()} for _ in itertools.count())
    sample = list(itertools.islice(filter(allowed, drawn), SAMPLED))
    missing = set().union(*(_groups(combination, strength) for combination in sample))
    chosen = []
    while missing:
        best = max(draw.sample(sample, COMPARED), key=lambda c: len(_groups(c, strength) & missing))
        if not _groups(best, strength) & missing:
            best = next(c for c in sample if _groups(c, strength) & missing)
        missing -= _groups(best, strength)
        chosen.append(best)
    return chosen


def _groups(combination: Combination, strength: int) -> set[tuple[tuple[str, Any], ...]]:
    return set(itertools.combinations(combination.items(), strength))
