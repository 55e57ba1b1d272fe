"""What came of a replay: skill and coverage over time, and under whom; as tables and as a figure."""

from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import UserError
from tidegate.evaluation.colours import BLUE, VERMILLION
from tidegate.forecasting.champions import reigns
from tidegate.pipeline.replay import DAY, EVENTS, FIGURE, PERIODS, Plan
from tidegate.pipeline.replay_days import Done
from tidegate.verification.files import read_days
from tidegate.verification.summary import totals
from tidegate.verification.verified import STANDING
from tidegate.workspace.paths import atomic_output
from tidegate.workspace.settings import Settings

SHOWN = ("verified", "skill", "coverage", "adapted_coverage")
COLOURS = (BLUE, VERMILLION)


def write_result(settings: Settings, plan: Plan, done: Done) -> pd.DataFrame:
    """Write replay.csv, events.csv and replay.png; give the reigns: version, candidate, from, until, skill, coverage.

    Raises:
        UserError: nothing was forecast.
    """
    days = read_days()
    days = days[days["issue"] == STANDING]
    if days.empty:
        why = next(iter(done.not_forecast.values()), "its last day ends before the first measurement")
        raise UserError(f"The replay has made no forecast that has met its measurement: {why}.")
    number = (days["day"] - plan.days[0]) // (plan.every * DAY)
    begins = plan.days[0] + number * plan.every * DAY
    periods = pd.DataFrame([{"from": begin, **totals(part)} for begin, part in days.groupby(begins)])
    events = pd.DataFrame(done.events)
    held = _reigns(settings, plan, days)
    for path, table in ((PERIODS, periods), (EVENTS, events)):
        with atomic_output(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    levels = settings.window.quantiles
    figure = draw(periods, events, held, levels[-1] - levels[0])
    with atomic_output(FIGURE) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    return held


def _reigns(settings: Settings, plan: Plan, days: pd.DataFrame) -> pd.DataFrame:
    """List the champions of the span, with how their forecasts did: one row a reign."""
    held = reigns(settings)
    held["until"] = held["until"].fillna(plan.days[-1])
    rows: list[dict[Any, Any]] = []
    for reign in held.to_dict("records"):
        # From an origin at midnight forecasts still the champion of the day that ends then.
        within = days[(days["version"] == reign["version"]) & days["day"].between(reign["from"], reign["until"])]
        scores: dict[str, Any] = totals(within) if len(within) else {}
        rows.append({**reign, **scores})
    return pd.DataFrame(rows).reindex(columns=[*held.columns, *SHOWN])


def draw(periods: pd.DataFrame, events: pd.DataFrame, held: pd.DataFrame, promised: float) -> Any:
    """Draw skill and coverage by period, over bands that are the reigns; trainings are marked below them."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    skill, coverage = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    middle = _middles(periods["from"])
    skill.plot(middle, periods["skill"], marker="o", markersize=3, color=COLOURS[0], label="skill")
    skill.axhline(0, color="grey", linewidth=1, linestyle=":")
    skill.set(ylabel="skill against seasonal naive", title="Forecasts of the replay, and who made them")
    for name, label, colour in (
        ("coverage", "as the model gave them", COLOURS[0]),
        ("adapted_coverage", "adapted to what was verified", COLOURS[1]),
    ):
        coverage.plot(middle, 100 * periods[name], marker="o", markersize=3, color=colour, label=label)
    coverage.axhline(100 * promised, color="grey", linewidth=1, linestyle=":")
    coverage.set(ylabel=f"{promised:.0%} intervals hold, %", xlabel="origin of the forecasts (UTC)")
    locator = AutoDateLocator()
    coverage.xaxis.set(major_locator=locator, major_formatter=ConciseDateFormatter(locator))
    _mark_reigns(skill, coverage, held)
    _mark_trainings(skill, events)
    for axes in (skill, coverage):
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
        axes.grid(alpha=0.25)
    return figure


def _middles(begins: "pd.Series[Any]") -> "pd.Series[Any]":
    lengths = begins.diff().shift(-1)
    return begins + lengths.fillna(lengths.median() if len(begins) > 1 else DAY) / 2


def _mark_reigns(skill: Any, coverage: Any, held: pd.DataFrame) -> None:
    begins, ends = list(held["from"]), list(held["until"])
    least = (ends[-1] - begins[0]) / 40  # what a label needs
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        for axes in (skill, coverage):
            axes.axvspan(begin, end, color="black", alpha=0.08 if number % 2 == 0 else 0.0, linewidth=0)
        if end - begin >= least:
            skill.annotate(
                f"v{held['version'].iloc[number]} {held['candidate'].iloc[number]}", (begin, 1.0),
                xycoords=("data", "axes fraction"), xytext=(3, -4), textcoords="offset points",
                rotation=90, va="top", ha="left", fontsize=8, zorder=4,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1},
            )  # fmt: skip


def _mark_trainings(axes: Any, events: pd.DataFrame) -> None:
    """Mark each training: whether its model became champion, stayed challenger, or there was none."""
    times = pd.to_datetime(events["day"], utc=True)
    promoted, failed = events["promoted"].to_numpy(bool), events["failed"].to_numpy(bool)
    kinds = (
        ("trained: new champion", promoted, {"marker": "^", "color": "black"}),
        ("trained: champion stays", ~promoted & ~failed, {"marker": "^", "facecolor": "none", "edgecolor": "black"}),
        ("training failed", failed, {"marker": "x", "color": COLOURS[1]}),
    )
    for label, chosen, style in kinds:
        if chosen.any():
            axes.scatter(
                times[chosen], np.full(int(chosen.sum()), 0.03), transform=axes.get_xaxis_transform(), s=28,
                label=label, clip_on=False, zorder=3, **style,
            )  # fmt: skip
