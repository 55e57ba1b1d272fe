"""The days of a replay, in its workspace: what the schedules would have done, each day as it was known then.

At the beginning of a day D, once for each day of the plan:

    ingest       data/ as it was known at D
    forecast     from every step of the day that has just ended, by who was champion then; then verify, and watch
    retrain      if the plan says so, or the policy of `watch` asks for it: the whole graph, with its gates

Each part can be repeated without a change, and what was done is written down after it: a replay that was killed goes on
with the part that it was killed in. Forecasts of a day are made at its end, from the same rows as at each step; only
where rows arrived within the day, later than they were measured, each step is forecast by itself, as of that step.
"""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate.errors import DataError, GateClosed, StageFailed, UserError
from tidegate.forecasting import shadow
from tidegate.forecasting.issue import Span, issue_forecasts
from tidegate.measurements import months
from tidegate.measurements.grid import step_of
from tidegate.pipeline import dag, drive
from tidegate.pipeline.replay import DAY, Plan
from tidegate.tracking import registry
from tidegate.verification import trial, verify, watching
from tidegate.workspace import clock
from tidegate.workspace.columns import ARRIVED, TIME
from tidegate.workspace.paths import FORECASTS, REGISTRATION, read_json, write_json
from tidegate.workspace.processes import BECAUSE
from tidegate.workspace.progress import Progress, no_progress
from tidegate.workspace.settings import Settings

PROGRESS = Path(".tidegate") / "replay.json"
SCHEDULE = "the schedule"
MONTH = pd.Timedelta(days=31)  # older rows that arrive within the day are in no lookback that is read
Say = Callable[[str], None]


@dataclass
class Event:
    """A training in a replay, and what came of it."""

    day: str
    because: str
    version: str = ""  # that was registered, if one was
    candidate: str = ""
    promoted: bool = False
    failed: bool = False
    result: str = ""  # the reason of the decision, or why the training failed


@dataclass
class Done:
    """How far a replay is."""

    day: str = ""  # the last one that was begun
    forecast: bool = False  # whether the day before it is forecast and verified
    because: str = ""  # why is trained at its beginning; empty: not decided, or no training
    causes: list[str] = field(default_factory=list)  # of a training that the policy asks for
    trained: bool = False  # or there was no reason to
    not_forecast: dict[str, str] = field(default_factory=dict)  # days, and why
    events: list[dict[str, Any]] = field(default_factory=list)

    def sentence(self, days: int) -> str:
        """Sum it up in one line."""
        asked = sum(event["because"] != SCHEDULE for event in self.events)
        promoted, failed = (sum(event[name] for event in self.events) for name in ("promoted", "failed"))
        text = f"{days} days; trained {len(self.events)} times, {asked} of them asked for by the policy: "
        text += f"{promoted} new champions" + (f", {failed} failed" if failed else "")
        if self.not_forecast:
            day, reason = next(iter(self.not_forecast.items()))
            text += f"; {len(self.not_forecast)} days not forecast, or not whole, first {day}: {reason.rstrip('.')}"
        return text

    def write(self) -> None:
        """Write it down."""
        write_json(PROGRESS, asdict(self))


def done_so_far() -> Done:
    """Read how far the replay of this workspace is."""
    return Done(**read_json(PROGRESS)) if PROGRESS.exists() else Done()


def walk(plan: Plan, progress: Progress, say: Say) -> Done:
    """Go through the days that are left.

    Raises:
        UserError: nothing can be trained at the first day.
    """
    settings, done = drive.checked_settings(), done_so_far()
    for number, day in enumerate(plan.days):
        name = f"{day:%Y-%m-%d}"
        progress(number, len(plan.days), name)
        if name < done.day or (name == done.day and done.trained):
            continue
        with clock.set_to(day):
            _one_day(settings, plan, day, done, say)
    return done


def _one_day(settings: Settings, plan: Plan, day: pd.Timestamp, done: Done, say: Say) -> None:
    name = f"{day:%Y-%m-%d}"
    if done.day != name:
        done.day, done.forecast, done.because, done.causes, done.trained = name, False, "", [], False
    drive.track_data(lambda: drive.result_of(["ingest"], no_progress, as_of=day))
    if not done.forecast:
        if day > plan.days[0] and (reason := _forecast(settings, day)):
            done.not_forecast[f"{day - DAY:%Y-%m-%d}"] = reason
        done.forecast = True
        done.write()
    if (said := trial.settle(settings)) and "is on trial" not in said:
        say(f"{name}  {said}")
    if not done.because:
        cause = _cause(settings, day)
        done.because = cause.because if cause else SCHEDULE if plan.trains_at(day) else ""
        done.causes = list(cause.keys) if cause else []
        done.write()
    if done.because:
        event = _trained(day, done.because)
        watching.remember_asked(watching.Cause(tuple(done.causes), done.because), day)
        if event.failed and day == plan.days[0]:
            raise UserError(f"At {name}, where the replay begins, nothing can be trained: {event.result}")
        done.events.append(asdict(event))
        if line := _told(event):
            say(f"{name}  {line}")
    done.trained = True
    done.write()


def _forecast(settings: Settings, day: pd.Timestamp) -> str:
    """Forecast from the steps of the day that ends at `day`, and verify what can be; say why not, if it cannot."""
    if registry.champion(settings.register_.name) is None:
        return "there was no champion"
    step, reason = step_of(settings.dataset.frequency), ""
    first, last = day - DAY + step, day
    spans: list[tuple[str | None, Span | None]] = [(None, (str(first), str(last)))]
    if _learns_more_within(day):
        spans = [(str(moment), None) for moment in pd.date_range(first, last, freq=step)]
    for as_of, span in spans:
        try:
            issue_forecasts(settings, no_progress, as_of, span)
            shadow.forecast_beside(settings, no_progress, as_of, span)
        except DataError as error:
            reason = str(error)
    if any(FORECASTS.glob("*/*.parquet")):
        verify.verify(settings, no_progress)
    return reason


def _learns_more_within(day: pd.Timestamp) -> bool:
    """Say whether rows became known within the day that ends at `day`, later than they were measured."""
    for month in {f"{moment:%Y-%m}" for moment in (day - MONTH, day - DAY, day)} & set(months.stored_months()):
        stored = months.read_stored(month, None, ())
        for rows in (stored.standing, stored.revisions):
            if ((rows[ARRIVED] > rows[TIME]) & (rows[ARRIVED] > day - DAY)).any():
                return True
    return False


def _cause(settings: Settings, day: pd.Timestamp) -> watching.Cause | None:
    """Watch the champion; give what asks for a retraining by the policy."""
    try:
        watched = watching.watch_champion(settings)
    except UserError:  # no champion, or none of its forecasts has met its measurement yet
        return None
    return watching.cause_for_retraining(settings, watched, day)


def _trained(day: pd.Timestamp, because: str) -> Event:
    """Bring the graph up to date, as the flow `retraining` does; say what came of it."""
    event = Event(f"{day:%Y-%m-%d}", because)
    os.environ[BECAUSE] = because
    try:
        dag.reproduce(lambda words: drive.result_of(words, no_progress), lambda _, work: work())
    except (DataError, GateClosed, StageFailed) as error:  # the champion stays, and so does the schedule
        event.failed, event.result = True, str(error)
        return event
    decision = read_json(REGISTRATION)
    event.version = str(decision["version"] or "")
    event.candidate, event.promoted, event.result = decision["candidate"], decision["promoted"], decision["reason"]
    return event


def _told(event: Event) -> str:
    """Say in a line what a user wants to hear of while a replay runs; empty: nothing."""
    if event.failed:
        return f"training failed: {event.result}"
    asked = "" if event.because == SCHEDULE else f" (asked for by {event.because})"
    if event.promoted:
        return f"version {event.version} ({event.candidate}) is champion{asked}: {event.result}"
    return f"trained{asked}: {event.result}" if asked else ""
