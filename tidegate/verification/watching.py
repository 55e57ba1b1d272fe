"""Watch the champion, write down what was found, and decide whether a change asks for a retraining.

verification/watch.json, watch.md    the changes found, for machines and for people
.tidegate/watch.json                 what has been told, and what a retraining has been asked for
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tidegate.errors import UserError
from tidegate.evaluation.reference import read_reference
from tidegate.evaluation.sequential import LEAST_REFERENCE
from tidegate.tracking import registry
from tidegate.verification.files import read_days
from tidegate.verification.watch import Change, watch_days
from tidegate.workspace.paths import VERIFICATION, WATCH_STATE, atomic_output, read_json, write_json
from tidegate.workspace.settings import Settings

SHOWN = 3
TOLD, EMITTED, ASKED = "told", "emitted", "asked"  # a person, Prefect as an event, a retraining


@dataclass(frozen=True)
class Watched:
    """What was found about the champion."""

    version: str
    until: str  # the newest verified day
    changes: tuple[Change, ...]
    remark: str = ""  # on what cannot be seen

    @property
    def sentence(self) -> str:
        """Sum it up in one line."""
        if not self.changes:
            remark = f"; {self.remark}" if self.remark else ""
            return f"version {self.version} does as it did before, up to {self.until}{remark}"
        named = [f"{change.station}: {change.figures} since {change.since}" for change in self.changes[:SHOWN]]
        more = f" and {len(self.changes) - SHOWN} more" if len(self.changes) > SHOWN else ""
        return f"version {self.version} has changed for the worse; {'; '.join(named)}{more}"

    def key(self, change: Change) -> str:
        """Name a change, whatever its figures become."""
        return f"version {self.version}, {change.kind}, {change.station}"

    @property
    def markdown(self) -> str:
        """Give a page."""
        title, sentence = f"# Champion version {self.version}, up to {self.until}", self.sentence
        lines = [title, "", f"{sentence[0].upper()}{sentence[1:]}."]
        if self.changes:
            lines += ["", "| station | what | since | certain on | figures |", "|---|---|---|---|---|"]
            lines += [f"| {c.station} | {c.kind} | {c.since} | {c.raised} | {c.figures} |" for c in self.changes]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Cause:
    """Why a retraining is asked for."""

    keys: tuple[str, ...]
    because: str


def watch_champion(settings: Settings) -> Watched:
    """Watch the champion's verified forecasts, and write down what was found.

    Raises:
        UserError: there is no champion, or none of its forecasts has been verified.
        DataError: its files are gone.
        ServiceError: MLflow does not answer.
    """
    champion = registry.champion(settings.register_.name)
    if champion is None:
        raise UserError(registry.no_champion(settings.register_.name))
    version = str(champion.version)
    days = read_days(f"{champion.name}-v{version}")
    if days.empty:
        raise UserError(f"No forecast of version {version} has met its measurement yet: there is nothing to watch.")
    levels = settings.window.quantiles
    reference = read_reference(champion)
    changes = watch_days(days, reference, levels[-1] - levels[0], settings.watch)
    watched = Watched(version, f"{days['day'].max():%Y-%m-%d}", tuple(changes), _remark(reference))
    write_json(
        VERIFICATION / "watch.json",
        {"version": version, "until": watched.until, "changes": [change.as_json() for change in changes]},
    )
    with atomic_output(VERIFICATION / "watch.md") as temporary:
        temporary.write_text(watched.markdown, encoding="utf-8")
    return watched


def _remark(reference: pd.DataFrame | None) -> str:
    """Say that a version's test span is too short to tell what is usual for it; empty if it is not."""
    days = LEAST_REFERENCE if reference is None else int(reference["day"].nunique())
    if days >= LEAST_REFERENCE:
        return ""
    return (
        f"its test span of {days} days is too short to say what is usual ({LEAST_REFERENCE} are needed), so that only "
        "days that are worse than seasonal naive are seen: train on more data"
    )


def cause_for_retraining(settings: Settings, watched: Watched, now: pd.Timestamp) -> Cause | None:
    """Decide whether changes ask for a retraining: each change once, and not within the cooldown after the last."""
    state = _state()
    asked: dict[str, str] = state[ASKED]
    new = [c for c in watched.changes if c.kind in settings.watch.retrain_on and watched.key(c) not in asked]
    last = max((pd.Timestamp(moment) for moment in asked.values()), default=None)
    if not new or (last is not None and now < last + pd.Timedelta(days=settings.watch.cooldown_days)):
        return None
    first = new[0]
    more = f", and {len(new) - 1} changes more" if len(new) > 1 else ""
    because = f"version {watched.version}, {first.station}, since {first.since}: {first.figures}{more}"
    return Cause(tuple(watched.key(change) for change in new), because)


def remember_asked(cause: Cause, now: pd.Timestamp) -> None:
    """Note that a retraining has been asked for, so that the same cause asks for no other."""
    state = _state()
    state[ASKED] |= dict.fromkeys(cause.keys, now.isoformat())
    write_json(WATCH_STATE, state)


def untold(watched: Watched, way: str = TOLD) -> list[Change]:
    """List the changes that have not been told of in this way yet."""
    told = _state()[way]
    return [change for change in watched.changes if watched.key(change) not in told]


def remember_told(watched: Watched, changes: list[Change], now: pd.Timestamp, way: str = TOLD) -> None:
    """Note which changes have been told of in this way."""
    state = _state()
    state[way] |= dict.fromkeys((watched.key(change) for change in changes), now.isoformat())
    write_json(WATCH_STATE, state)


def _state() -> dict[str, dict[str, Any]]:
    state: dict[str, dict[str, Any]] = read_json(WATCH_STATE) if WATCH_STATE.exists() else {}
    return {TOLD: {}, EMITTED: {}, ASKED: {}, **state}
