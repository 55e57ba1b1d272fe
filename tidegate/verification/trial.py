"""The version on trial: it forecasts in the shadow of the champion, and verified forecasts decide between the two.

With `register.shadow: challenger`, a challenger that has beaten the champion on the test origins must do so again in
forecasts; with `former`, a champion whose place was taken goes on, and is gone back to if it would have been better.
Either takes the champion's place by the same evidence that a promotion asks for. Looking each day for four weeks finds
luck where looking once would not: the p-value that is asked for is that of `register.evidence` divided by the days
(Bonferroni).
"""

from typing import Any

import numpy as np
import pandas as pd

from tidegate.evaluation.evidence import Losses, judge_losses
from tidegate.measurements.grid import step_of
from tidegate.tracking import champion_log, registry
from tidegate.tracking.champion_log import Entry
from tidegate.verification.files import read_rows
from tidegate.verification.places import ISSUED, ON_TRIAL, Place
from tidegate.verification.verified import STANDING
from tidegate.workspace import clock
from tidegate.workspace.columns import ORIGIN, STATION, TIME, VARIABLE
from tidegate.workspace.settings import Settings

POLICY = "the policy of register.shadow"
ROW = [STATION, ORIGIN, TIME, VARIABLE]
DAY = pd.Timedelta(days=1)


def settle(settings: Settings) -> str:
    """Let the version on trial take the champion's place, or end its trial, if it is time; say how it is, or nothing.

    Raises:
        ServiceError: MLflow does not answer.
    """
    name = settings.register_.name
    entries = champion_log.look(name)
    trial, reign = (champion_log.last_of(entries, alias) for alias in (registry.SHADOW, registry.CHAMPION))
    if trial is None or not trial.version:
        return ""
    if reign is None or not reign.version or reign.version == trial.version or reign.number > trial.number:
        return _ended(name, trial, "the champion has changed since it began")
    losses = _losses(settings, trial, reign)
    days = settings.register_.shadow_days
    ended = clock.now() >= trial.time + days * DAY
    against = f"against version {reign.version}, the champion,"
    if losses is None:
        why = f"{against} no forecast of it has been verified"
        return _ended(name, trial, why) if ended else f"version {trial.version} is on trial: {why} yet"
    rules = settings.register_.evidence
    findings = judge_losses(losses, rules.model_copy(update={"p_value": rules.p_value / days}))
    ours, theirs = float(np.nanmean(losses.challenger)), float(np.nanmean(losses.champion))
    figures = "; ".join(f"{found.rule}: {found.figures}" for found in findings)
    compared = f"{against} its loss was {ours:.4g} times the naive forecast's, and {theirs:.4g} times the champion's"
    compared += f", in verified forecasts since {trial.time:%Y-%m-%d} ({figures})"
    if all(found.passed for found in findings):
        champion_log.move(name, registry.CHAMPION, trial.version, compared, POLICY)
        champion_log.move(name, registry.SHADOW, "", "it is champion", POLICY)
        return f"version {trial.version} is champion: {compared}"
    return _ended(name, trial, compared) if ended else f"version {trial.version} is on trial: {compared}"


def _ended(name: str, trial: Entry, why: str) -> str:
    champion_log.move(name, registry.SHADOW, "", why, POLICY)
    return f"the trial of version {trial.version} has ended: {why}"


def _losses(settings: Settings, trial: Entry, reign: Entry) -> Losses | None:
    """Compare what both have forecast since the trial began, from origins whose horizons are verified.

    A loss is the mean over a window's steps and variables, each in units of its variable's naive forecast's loss. The
    last day may still gain rows: only whole days are compared, so that one day is one look at the evidence.
    """
    name, begin = settings.register_.name, trial.time
    ours, theirs = (
        _standing(f"{name}-v{entry.version}", place, begin) for entry, place in ((trial, ON_TRIAL), (reign, ISSUED))
    )
    rows = ours.merge(theirs, on=ROW, suffixes=("", "_champion")).dropna(subset=["loss", "loss_champion"])
    step, horizon = step_of(settings.dataset.frequency), settings.window.horizon_steps
    if rows.empty:
        return None
    rows = rows[rows[ORIGIN] < (rows[TIME].max() - horizon * step).floor("D")]
    if rows.empty:
        return None
    scale = rows.groupby(VARIABLE)["naive_loss"].transform("mean")
    scale = scale.where(scale > 0, 1.0)
    windows = rows.assign(ours=rows["loss"] / scale, theirs=rows["loss_champion"] / scale).groupby([STATION, ORIGIN])
    means = windows[["ours", "theirs"]].mean().reset_index()
    codes, stations = pd.factorize(means[STATION], sort=True)
    steps: Any = (means[ORIGIN] - means[ORIGIN].min()) // step
    return Losses(
        means["ours"].to_numpy(np.float64), means["theirs"].to_numpy(np.float64), codes,
        steps.to_numpy(np.int64), list(stations), horizon,
    )  # fmt: skip


def _standing(version: str, place: Place, begin: pd.Timestamp) -> pd.DataFrame:
    rows = read_rows(version, [*ROW, STANDING, "loss", "naive_loss"], begin, place.verification)
    return rows[rows[STANDING].astype(bool) & (rows[ORIGIN] >= begin)] if len(rows) else rows
