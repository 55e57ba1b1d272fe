"""Windows that fit the data: what `tidegate init` proposes, `tidegate run` can cut and split."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tidegate.errors import UserError
from tidegate.onboarding.seasons import WEEK
from tidegate.windows.splits import split_spans
from tidegate.workspace.settings import Window

LEAST_WINDOWS = 24  # of a station, in validation and test each: fewer tell nothing
SHORTEST_LOOKBACK = 4
SHARES = 0.2  # of validation and test, where there are few steps


@dataclass
class WindowFit:
    """What must change in the section `window` of params.yaml, and why."""

    changes: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    season_steps: int = 1


def fit_window(window: Window, season_steps: int, season: str, steps: int) -> WindowFit:
    """Make the lookback at least a season long, give the calendar its weekday, and shorten what is too long.

    Args:
        window: of params.yaml.
        season_steps: the season found.
        season: why.
        steps: from the data's first time to its last.

    Raises:
        UserError: no windows fit so few steps.
    """
    wanted = max(window.lookback_steps, season_steps)
    fitting = next((tried for tried in _shorter(window, wanted) if _fits(tried, steps)), None)
    if fitting is None:
        raise UserError(
            f"There are {steps} steps from the first time to the last, too few to train, validate and test a model: "
            f"bring at least {_least_steps(window)}, or a shorter --frequency."
        )
    fit = WindowFit(season_steps=season_steps if season_steps <= fitting["lookback_steps"] else 1)
    fit.changes = {name: value for name, value in fitting.items() if value != getattr(window, name)}
    why = "a season" if fitting["lookback_steps"] == season_steps else f"the data have {steps} steps"
    fit.lines = [
        f"window.{name} is {value:g}, {why if name == 'lookback_steps' else f'the data have {steps} steps'}"
        for name, value in fit.changes.items()
    ]
    if fit.season_steps != season_steps:
        fit.lines.append(f"dataset.season_steps is 1: of {season_steps} steps there are too few seasons in the data")
    if fit.season_steps > 1 and season.startswith(WEEK) and "weekday" not in window.calendar:
        fit.changes["calendar"] = [*window.calendar, "weekday"]
        fit.lines.append("window.calendar has the weekday: the season is a week")
    return fit


def _shorter(window: Window, lookback_steps: int) -> Iterator[dict[str, Any]]:
    """Give what is wanted, then ever less: larger shares, a shorter gap between the splits, lookback, horizon.

    The gap stays at least the horizon, so that no target is in two splits.
    """
    horizon_steps = window.horizon_steps
    while True:
        lookback = lookback_steps
        while lookback >= SHORTEST_LOOKBACK:
            sizes = {"lookback_steps": lookback, "horizon_steps": horizon_steps}
            shares = {"validation_share": SHARES, "test_share": max(SHARES, window.test_share)}
            yield {**sizes, "validation_share": window.validation_share, "test_share": window.test_share}
            yield {**sizes, **shares}
            yield {**sizes, **shares, "gap_steps": min(horizon_steps, lookback)}
            lookback //= 2
        if horizon_steps == 1:
            return
        horizon_steps = max(1, horizon_steps // 2)


def _fits(tried: dict[str, Any], steps: int) -> bool:
    """Say whether each split has some windows, and training as many as the two others."""
    lookback, horizon = tried["lookback_steps"], tried["horizon_steps"]
    spans = split_spans(steps, tried["validation_share"], tried["test_share"], tried.get("gap_steps", lookback))
    windows = {split: end - first - horizon + 1 for split, (first, end) in spans.items()}
    windows["train"] -= lookback
    enough = min(windows["validation"], windows["test"]) >= LEAST_WINDOWS
    return enough and windows["train"] >= max(2 * LEAST_WINDOWS, windows["validation"])


def _least_steps(window: Window) -> int:
    """Give the number of steps from which on windows fit."""
    return next(steps for steps in range(10, 100_000, 10) if any(_fits(tried, steps) for tried in _shorter(window, 4)))
