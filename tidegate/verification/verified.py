"""Issued forecasts beside what was measured since: row by row, and summed up by day.

Each row is compared with the seasonal naive forecast of the same origin: the newest value, not after the origin, of
whole seasons before. Of an alert the loss is the squared error of its probability, and there is no naive forecast.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tidegate.verification.issued import KEYS
from tidegate.verification.places import FIRST, STANDING
from tidegate.workspace.columns import (
    FORECAST,
    METHOD,
    MODEL,
    ORIGIN,
    REVISION,
    STATION,
    TIME,
    VARIABLE,
)

if TYPE_CHECKING:  # the data gate takes long to import, and issuing needs it not
    from tidegate.verification.truth import Truth

STATUS = "status"
VERIFIED, MISSING, QUARANTINED = "verified", "missing", "quarantined"
ISSUES = (FIRST, STANDING)
ROW_KEYS = [*KEYS, REVISION]
OF_TRUTH = ("truth", STATUS, "rule", "naive", "loss", "naive_loss", "held", "adapted_held", "pinball", "pit")
SCORED = ("held", "adapted_held", "pinball", "pit")  # from quantiles
ADAPTED = "adapted_"  # prefix of the columns of adapted quantiles
DAY_KEYS = ["issue", VARIABLE, STATION, "step", "day"]
ALERT = r"^(?P<target>.+) (?P<side>above|below) (?P<limit>\S+)$"  # how an alert stands in the column `variable`


def targets_of(issued: pd.DataFrame) -> list[str]:
    """Name the variables that were forecast, or whose alerts were."""
    names = pd.Series(issued[VARIABLE].unique(), dtype="str")
    return sorted(set(names.str.extract(ALERT)["target"].fillna(names)))


def verified_rows(
    issued: pd.DataFrame, truth: "Truth", before: pd.DataFrame | None, season_steps: int, step: pd.Timedelta
) -> pd.DataFrame:
    """Compare forecasts with what was measured, once the network has measured up to their times.

    Args:
        issued: all revisions of forecasts.
        truth: of their times, and of a season before them.
        before: the result of the last call, if there was one.
        season_steps: of the naive forecast.
        step: of the data.

    Returns:
        The rows whose time has come: the columns of `issued`, whether each is the `first` issue and `standing`, its
        `step` ahead, `truth`, `status`, the gate's `rule` if it holds the truth back, `naive`, `loss`, `naive_loss`,
        `held` by the outermost quantiles and `adapted_held` by the adapted ones, `pinball`, `pit`, and `corrected`:
        how often the truth has changed.
    """
    come = issued[TIME] <= truth.newest
    if before is not None:  # data/ may have been rebuilt as of an earlier time: what was verified stands
        come |= pd.MultiIndex.from_frame(issued[ROW_KEYS]).isin(pd.MultiIndex.from_frame(before[ROW_KEYS]))
    rows = issued[come].sort_values(ROW_KEYS, ignore_index=True)
    of_forecast = rows.groupby(KEYS)[REVISION]
    rows[FIRST] = rows[REVISION] == of_forecast.transform("min")
    rows[STANDING] = rows[REVISION] == of_forecast.transform("max")
    ahead: Any = rows[TIME] - rows[ORIGIN]
    rows["step"] = ahead // step
    alert = rows[VARIABLE].str.fullmatch(ALERT)
    parts = [
        _values(rows[~alert], truth, season_steps, step),
        *(_alerts(part, truth, step) for _, part in rows[alert].groupby(VARIABLE)),
    ]
    rows = pd.concat([part for part in parts if len(part)] or [parts[0]]).sort_index()
    rows = _with_unknown_kept(rows, truth, before)
    rows["corrected"] = _corrections(rows, before)
    return rows


def _with_unknown_kept(rows: pd.DataFrame, truth: "Truth", before: pd.DataFrame | None) -> pd.DataFrame:
    """Take what was verified of times that data/ does not reach now from the last call."""
    beyond = rows[TIME] > truth.newest
    if before is None or not beyond.any():
        return rows
    kept = before.set_index(ROW_KEYS).reindex(pd.MultiIndex.from_frame(rows.loc[beyond, ROW_KEYS]))
    for name in OF_TRUTH:
        rows.loc[beyond, name] = kept[name].to_numpy()
    return rows


def _values(rows: pd.DataFrame, truth: "Truth", season_steps: int, step: pd.Timedelta) -> pd.DataFrame:
    value, rule = truth.at(rows[STATION], rows[TIME], rows[VARIABLE])
    seasons = -(-rows["step"] // season_steps)
    naive, _ = truth.at(rows[STATION], rows[TIME] - seasons * season_steps * step, rows[VARIABLE])
    rows = _with_truth(rows, value, rule).assign(naive=naive)
    rows["loss"], rows["naive_loss"] = (rows[FORECAST] - value).abs(), (naive - value).abs()
    names = quantile_columns(rows)
    quantiles = rows[names].to_numpy(np.float64)
    levels = np.array([float(name[1:]) for name in names])
    known = value.notna().to_numpy() & np.isfinite(quantiles).all(axis=1) & (len(levels) > 1)
    actual = value.to_numpy(np.float64)[:, None]
    for name in SCORED:
        rows[name] = np.nan
    if known.any():
        missed = actual[known] - quantiles[known]
        rows.loc[known, "held"] = ((missed[:, 0] >= 0) & (missed[:, -1] <= 0)).astype(float)
        rows.loc[known, "pinball"] = np.maximum(levels * missed, (levels - 1) * missed).mean(axis=1)
        rows.loc[known, "adapted_held"] = _adapted_held(rows[known])
        rows.loc[known, "pit"] = _pit(actual[known][:, 0], quantiles[known], levels)
    return rows


def _adapted_held(rows: pd.DataFrame) -> Any:
    """Say whether the adapted interval held the truth; NaN of forecasts that were issued without one."""
    names = quantile_columns(rows, ADAPTED)
    if not names:
        return np.nan
    low, high = rows[names[0]], rows[names[-1]]
    held = (rows["truth"] >= low) & (rows["truth"] <= high)
    return held.astype("float64").where(low.notna() & high.notna())


def _alerts(rows: pd.DataFrame, truth: "Truth", step: pd.Timedelta) -> pd.DataFrame:
    """Compare alerts of one limit with whether the target got there between origin and time."""
    target, side, limit = str(rows[VARIABLE].iloc[0]).rsplit(" ", 2)
    values = truth.values.xs(target, level=VARIABLE).unstack(STATION)
    times = pd.date_range(values.index.min(), values.index.max(), freq=step)
    values = values.reindex(times)
    crossed = (values > float(limit)) if side == "above" else (values < float(limit))
    crossed = crossed.astype("float64").where(values.notna())
    held = truth.rules[truth.rules.index.get_level_values(VARIABLE) == target].droplevel(VARIABLE).unstack(STATION)
    held_back = held.reindex(times).reindex(columns=values.columns).notna().astype("float64")
    events, rules = pd.Series(np.nan, rows.index), pd.Series("", rows.index)
    ahead: Any
    for ahead, part in rows.groupby("step"):
        keys = pd.MultiIndex.from_frame(part[[TIME, STATION]])
        happened, spoilt = (
            grid.rolling(ahead, min_periods=ahead).max().stack(future_stack=True).reindex(keys).to_numpy()
            for grid in (crossed, held_back)
        )
        events[part.index] = happened
        rules[part.index] = np.where(spoilt > 0, "a rule of the data gate", "")
    rows = _with_truth(rows, events, rules).assign(naive=np.nan, naive_loss=np.nan)
    return rows.assign(loss=(rows[FORECAST] - events) ** 2, **dict.fromkeys(SCORED, np.nan))


def _with_truth(rows: pd.DataFrame, value: pd.Series, rule: pd.Series) -> pd.DataFrame:
    status = np.where(value.notna(), VERIFIED, np.where(rule != "", QUARANTINED, MISSING))
    columns: dict[str, Any] = {"truth": value, STATUS: status, "rule": rule}
    return rows.assign(**columns)


def quantile_columns(rows: pd.DataFrame, prefix: str = "") -> list[str]:
    """Name the columns of quantiles, the lowest first."""
    names = [name for name in rows.columns if name.startswith(f"{prefix}q0.")]
    return sorted(names, key=lambda name: float(name.removeprefix(f"{prefix}q")))


def _pit(actual: Any, quantiles: Any, levels: Any) -> Any:
    """Give the probability integral transform, linear between the levels; beyond them, the middle of what is left."""
    below = (quantiles <= actual[:, None]).sum(axis=1)
    inner = np.clip(below, 1, len(levels) - 1)
    row = np.arange(len(actual))
    low, high = quantiles[row, inner - 1], quantiles[row, inner]
    share = (actual - low) / np.where(high > low, high - low, 1.0)
    between = levels[inner - 1] + np.clip(share, 0, 1) * (levels[inner] - levels[inner - 1])
    ends = np.where(below == 0, levels[0] / 2, (1 + levels[-1]) / 2)
    return np.where((below == 0) | (below == len(levels)), ends, between)


def _corrections(rows: pd.DataFrame, before: pd.DataFrame | None) -> Any:
    """Count how often the truth of each row has changed after it was first known."""
    if before is None or before.empty:
        return np.zeros(len(rows), np.int64)
    earlier = before.set_index(ROW_KEYS)[["truth", "corrected"]].reindex(pd.MultiIndex.from_frame(rows[ROW_KEYS]))
    was, now = earlier["truth"].to_numpy(), rows["truth"].to_numpy()
    changed = np.isfinite(was) & ~((was == now) | (np.isnan(was) & np.isnan(now)))
    return earlier["corrected"].fillna(0).to_numpy().astype(np.int64) + changed


def daily_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum verified rows up by issue, variable, station, step ahead and day of the origin.

    Returns:
        Counts: `rows`, `verified`, `missing`, `quarantined`, `corrected` (truth changed later), `by_model`; `compared`
        with a naive forecast; with `intervals` and `adapted_intervals`. Means: `loss` over what is verified,
        `compared_loss` and `naive_loss` over what is compared, `coverage`, `pinball`, `pit` over intervals and
        `adapted_coverage` over adapted ones. And `skill`: 1 less the ratio of the two losses that are compared.
    """
    parts = [rows[rows[issue]].assign(issue=issue) for issue in ISSUES]
    both = pd.concat(parts, ignore_index=True)
    both["day"] = both[ORIGIN].dt.floor("D")
    for status in (VERIFIED, MISSING, QUARANTINED):
        both[f"is_{status}"] = both[STATUS] == status
    both["was_corrected"], both["is_model"] = both["corrected"] > 0, both[METHOD] == MODEL
    both["compared_loss"] = both["loss"].where(both["naive_loss"].notna())
    groups = both.groupby(DAY_KEYS, sort=True)
    days = groups.agg(
        rows=("status", "size"),
        verified=("is_verified", "sum"),
        missing=("is_missing", "sum"),
        quarantined=("is_quarantined", "sum"),
        corrected=("was_corrected", "sum"),
        by_model=("is_model", "sum"),
        compared=("compared_loss", "count"),
        intervals=("held", "count"),
        adapted_intervals=("adapted_held", "count"),
        loss=("loss", "mean"),
        compared_loss=("compared_loss", "mean"),
        naive_loss=("naive_loss", "mean"),
        coverage=("held", "mean"),
        adapted_coverage=("adapted_held", "mean"),
        pinball=("pinball", "mean"),
        pit=("pit", "mean"),
    ).reset_index()
    days["skill"] = (1 - days["compared_loss"] / days["naive_loss"]).where(days["naive_loss"] > 0)
    return days
