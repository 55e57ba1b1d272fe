"""Verified forecasts summed up: by version, station, step ahead or day."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from tidegate.evaluation.agreement import kge, nse
from tidegate.verification.files import read_days, read_rows
from tidegate.verification.verified import ALERT, MISSING, QUARANTINED, STANDING, VERIFIED
from tidegate.workspace.columns import FORECAST, ORIGIN, STATION, VARIABLE

By = Literal["version", "station", "step", "day"]
COUNTS = ["rows", VERIFIED, MISSING, QUARANTINED, "corrected", "by_model"]
MEANS = {  # and what each is a mean over
    "loss": VERIFIED,
    "compared_loss": "compared",
    "naive_loss": "compared",
    "coverage": "intervals",
    "adapted_coverage": "adapted_intervals",
    "pinball": "intervals",
}
VERSION = ["model", "version"]


def summary(by: By = "version", since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Sum up what was verified: a row a version and issue, or of the standing issue also a row a station, step or day.

    Returns:
        model, version, issue (and `by`), counts, means of loss, naive loss, coverage and pinball loss over what is
        verified, and skill; by version also NSE and KGE, means over stations and variables. No row where the time of
        no forecast has come.

    Raises:
        UserError: nothing has been verified.
    """
    days = read_days(since=since)
    if days.empty:
        return pd.DataFrame(columns=[*VERSION, "issue"])
    keys = [*VERSION, "issue"]
    if by != "version":
        days, keys = days[days["issue"] == STANDING], [*keys, by]
    rows = [{**dict(zip(keys, key, strict=True)), **totals(part)} for key, part in days.groupby(keys, sort=True)]
    table = pd.DataFrame(rows)
    table = table.sort_values([*keys], key=lambda column: pd.to_numeric(column) if column.name == "version" else column)
    if by == "version":
        return table.assign(**{"nse": np.nan, "kge": np.nan}).apply(_with_efficiencies, axis=1, since=since)
    return table


def totals(days: pd.DataFrame) -> dict[str, Any]:
    """Sum up scores by day: counts, means over what is verified, and skill."""
    means = {name: _mean(days[name].astype("float64"), days[count].astype("float64")) for name, count in MEANS.items()}
    loss, naive = means.pop("compared_loss"), means["naive_loss"]
    skill = 1 - loss / naive if naive > 0 else float("nan")
    return {**{name: int(days[name].sum()) for name in COUNTS}, **means, "skill": skill}


def _mean(values: Any, weight: Any) -> float:
    known = np.isfinite(values) & (weight > 0)
    return float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")


def _with_efficiencies(row: "pd.Series[Any]", since: pd.Timestamp | None) -> "pd.Series[Any]":
    issue = row["issue"]
    rows = read_rows(f"{row['model']}-v{row['version']}", [STATION, VARIABLE, ORIGIN, FORECAST, "truth", issue], since)
    rows = rows[rows[issue] & (True if since is None else rows[ORIGIN] >= since.floor("D"))]
    rows = rows[~rows[VARIABLE].str.fullmatch(ALERT)]  # of probabilities they say nothing
    parts = [
        (part[FORECAST].to_numpy(np.float64), part["truth"].to_numpy(np.float64))
        for _, part in rows.groupby([STATION, VARIABLE])
    ]
    for name, efficiency in (("nse", nse), ("kge", kge)):
        values = np.array([efficiency(forecast, truth) for forecast, truth in parts])
        row[name] = float(np.mean(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
    return row
