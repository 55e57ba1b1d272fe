"""Forecasts as pictures: what was measured, what was forecast of it with its interval, and by what, station by station.

Little is imported, for `tidegate forecast` writes such a page each time it issues: the charts are specified in the
template, not by Altair.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import models
from tidegate.errors import ServiceError, UserError
from tidegate.evaluation.colours import BASELINE as BASELINE_COLOUR
from tidegate.evaluation.colours import colours_of
from tidegate.measurements import months, parquet
from tidegate.measurements.grid import step_of
from tidegate.measurements.parquet import StationRange
from tidegate.measurements.plausible import plausible
from tidegate.reporting.page import write_page
from tidegate.tracking.aliases import candidates_of
from tidegate.verification.issued import read_issued, standing
from tidegate.verification.verified import ADAPTED, ALERT, quantile_columns, targets_of
from tidegate.workspace.columns import BASELINE, FORECAST, METHOD, ORIGIN, REASON, STATION, TIME, VARIABLE
from tidegate.workspace.paths import DATA, FORECAST_PAGE, FORECASTS, MEASUREMENTS
from tidegate.workspace.settings import Settings

HORIZONS_BEFORE = 4  # so many of what was measured stand before the newest forecast
HORIZONS_SHOWN = 7  # of a plot without a span
MILLISECOND = pd.Timedelta(milliseconds=1)
EPOCH = pd.Timestamp(0, tz="UTC")
SAVED_DIGITS = 5
SAID_DIGITS = 3  # of the largest number in a sentence; the others have as many decimals


@dataclass(frozen=True)
class Span:
    """From when to when a page shows something, both ends included."""

    first: pd.Timestamp
    last: pd.Timestamp


def write_latest(settings: Settings, folder: Path) -> Path:
    """Write forecasts/latest.html with the newest forecasts of a version, which are in `folder`."""
    return write_page(FORECAST_PAGE, "forecasts.html", latest(settings, folder))


def latest(settings: Settings, folder: Path) -> dict[str, Any]:
    """Give the facts of a page about the newest forecasts of a version, and what was measured before them."""
    rows = standing(read_issued(max(folder.glob("*.parquet"))))
    origin = rows[ORIGIN].max()
    rows = rows[rows[ORIGIN] == origin]
    horizon = rows[TIME].max() - origin
    span = Span(origin - HORIZONS_BEFORE * horizon, rows[TIME].max())
    rows, versions = _named(rows)
    facts = {"heading": f"Forecasts from {origin:%Y-%m-%d %H:%M} UTC", "by": versions, "origins": ""}
    return facts | _charts(settings, rows, span, None)


def as_markdown(facts: dict[str, Any]) -> str:
    """Give the facts of a page in words: a table with a row a chart."""
    lines = [f"## {facts['heading']}, by {facts['by']}", "", f"With their charts: `{FORECAST_PAGE.absolute()}`.", ""]
    lines += ["| station | variable | forecast | baseline because |", "|---|---|---|---|"]
    lines += [f"| {c['station']} | {c['label']} | {c['said']} | {c['baseline']} |" for c in facts["charts"]]
    return "\n".join(lines)


def write_plot(
    settings: Settings, station: str, first: pd.Timestamp | None, last: pd.Timestamp | None, to: Path
) -> Path:
    """Write a page with a station's measurements of a span, and the forecasts of it, one horizon after another.

    Raises:
        UserError: there is no such station, or nothing of it in that span.
        DataError: data/ holds no rows.
    """
    issued = _issued(station, first, last)
    measured_to = months.newest_time()
    end = last or max([time for time in (measured_to, issued[TIME].max()) if not pd.isna(time)])
    horizon = settings.window.horizon_steps * step_of(settings.dataset.frequency)
    span = Span(first or end - HORIZONS_SHOWN * horizon, end)
    rows = issued[issued[ORIGIN].between(span.first, span.last)]
    rows, versions = _named(rows[rows[ORIGIN].isin(_apart(rows[ORIGIN], horizon))])
    count = rows[ORIGIN].nunique()
    facts = {
        "heading": f"{station} from {span.first:%Y-%m-%d %H:%M} to {span.last:%Y-%m-%d %H:%M} UTC",
        "by": versions or "no version: none has been issued for this span",
        "origins": f"{count} forecasts, each from an origin that is marked" if count else "",
    }
    charts = _charts(settings, rows, span, station)
    if not charts["charts"]:
        raise UserError(_nothing_of(station, span))
    return write_page(to, "forecasts.html", facts | charts)


def _issued(station: str, first: pd.Timestamp | None, last: pd.Timestamp | None) -> pd.DataFrame:
    """Read the standing forecasts of a station from the months of a span; of two versions' the newer one's."""
    none = pd.DataFrame(columns=[STATION, ORIGIN, TIME, VARIABLE, FORECAST, METHOD, REASON, "model", "version"])
    parts = [none.astype({ORIGIN: "datetime64[us, UTC]", TIME: "datetime64[us, UTC]", FORECAST: "float64"})]
    begin = f"{first - pd.Timedelta(days=31):%Y-%m}" if first is not None else ""
    for path in sorted(FORECASTS.glob("*/*.parquet")):
        if path.stem >= begin and (last is None or path.stem <= f"{last:%Y-%m}"):
            rows = read_issued(path)
            parts.append(standing(rows[rows[STATION] == station]))
    rows = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    number = pd.to_numeric(rows["version"])
    return rows[number == number.groupby(rows[ORIGIN]).transform("max")]


def _apart(origins: "pd.Series[Any]", horizon: pd.Timedelta) -> list[pd.Timestamp]:
    """Choose origins a horizon apart, the newest first, so that no forecast lies over another."""
    chosen: list[pd.Timestamp] = []
    for origin in sorted(origins.unique(), reverse=True):
        if not chosen or chosen[-1] - origin >= horizon:
            chosen.append(origin)
    return chosen


def _named(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Name what made each forecast in a column `by`, a candidate or the baseline; and all the versions, in words."""
    known = {model: _candidates(model) for model in rows["model"].unique()}
    by, versions = pd.Series(BASELINE, rows.index, dtype=object), []
    for (model, version), part in rows.groupby(["model", "version"], sort=False):
        number, candidates = f"version {version}", known[model]
        candidate = None if candidates is None else candidates.get(str(version))
        said = candidate or ("deleted" if candidates is not None else "the registry does not say what it is")
        versions.append(f"{model} {number} ({said})")
        by[part.index[part[METHOD] != BASELINE]] = candidate or (number if len(known) == 1 else f"{model} {number}")
    return rows.assign(by=by), ", ".join(versions)


def _candidates(model: str) -> dict[str, str] | None:
    """Give the candidate of each version; None if the registry does not answer: what was issued is drawn without."""
    try:
        return candidates_of(model)
    except ServiceError:
        return None


def _lines(settings: Settings, makers: Sequence[str]) -> list[dict[str, Any]]:
    """Give the name, colour and dashes of each line: a candidate has the colour that it has in every other figure."""
    candidates = [name for name in makers if name != BASELINE]
    others = [name for name in candidates if name not in settings.models]
    colours = colours_of([*settings.models, *others], models.baseline_of(settings.models, settings.window))
    lines = [{"name": name, "colour": colours[name], "dash": [1, 0]} for name in candidates]
    return lines + [{"name": BASELINE, "colour": BASELINE_COLOUR, "dash": [5, 3]}] * (BASELINE in makers)


def _charts(settings: Settings, rows: pd.DataFrame, span: Span, station: str | None) -> dict[str, Any]:
    """Give the facts of a page's charts: one for each station and variable."""
    targets = targets_of(rows) if len(rows) else list(settings.dataset.targets)
    measured = _measured(settings, targets, span, station)
    levels = [float(name[1:]) for name in quantile_columns(rows)]
    return {
        "within": f"{levels[-1] - levels[0]:.0%} interval".replace("%", " %") if len(levels) > 1 else "",
        "step": step_of(settings.dataset.frequency) // MILLISECOND,
        "lines": _lines(settings, sorted(rows["by"].unique())),
        "charts": list(_each_chart(settings, rows, measured, targets)),
    }


def _measured(settings: Settings, targets: Sequence[str], span: Span, station: str | None) -> pd.DataFrame:
    """Read what was measured of targets in a span, without values that can be no measurements."""
    schema = pa.schema([*list(months.month_schema([]))[:2], *((name, pa.float64()) for name in targets)])
    stations = StationRange(station, station) if station else None
    parts = [
        parquet.read_range(DATA / MEASUREMENTS / f"{month}.parquet", stations, schema)
        for month in months.require_months()
        if f"{span.first:%Y-%m}" <= month <= f"{span.last:%Y-%m}"
    ]
    rows = pd.concat(parts or [schema.empty_table().to_pandas()], ignore_index=True)
    rows = rows[rows[TIME].between(span.first, span.last)]
    for name in targets:
        limits, sentinels = settings.dataset.variables[name], settings.dataset.sentinels_of(name)
        rows[name] = plausible(rows[name].to_numpy(np.float64), limits.min, limits.max, sentinels)
    return rows


def _each_chart(
    settings: Settings, rows: pd.DataFrame, measured: pd.DataFrame, targets: Sequence[str]
) -> Iterator[dict[str, Any]]:
    forecasts: dict[Any, pd.DataFrame] = dict(list(rows.groupby([STATION, VARIABLE], sort=True)))
    measurements = {str(name): part for name, part in measured.groupby(STATION)}
    keys = list(forecasts) or [(name, target) for name in measurements for target in targets]
    for station, variable in keys:
        alert = pd.Series([variable]).str.extract(ALERT).iloc[0]
        target = str(variable if pd.isna(alert["target"]) else alert["target"])
        unit = settings.dataset.variables[target].unit
        part = forecasts.get((station, variable), rows.iloc[:0])
        limit = None if pd.isna(alert["limit"]) else float(alert["limit"])
        if not len(part) and measurements[station][target].notna().sum() == 0:
            continue
        baseline = part[part[METHOD] == BASELINE]
        yield {
            "station": station,
            "variable": variable,
            "label": f"{target}, {unit}",
            "limit": limit,
            "baseline": (baseline[REASON].iloc[0] or "too little was measured") if len(baseline) else "",
            "said": in_words(part, unit, limit),
            "measured": _grid(settings, measurements.get(station, measured.iloc[:0]), target),
            "origins": _milliseconds(part[ORIGIN].drop_duplicates()),
            "forecasts": _of_forecasts(part),
        }


def _of_forecasts(part: pd.DataFrame) -> dict[str, list[Any]]:
    low, high = interval(part)
    return {
        "time": _milliseconds(part[TIME]),
        "origin": _milliseconds(part[ORIGIN]),
        "value": _numbers(part[FORECAST]),
        "low": _numbers(low),
        "high": _numbers(high),
        "by": list(part["by"]),
    }


def interval(part: pd.DataFrame) -> "tuple[pd.Series[Any], pd.Series[Any]]":
    """Give the two ends of issued forecasts' interval, as adapted to what was verified where that is known."""
    unknown = pd.Series(np.nan, part.index)
    ends = []
    for end in (0, -1):
        own, adapted = ([*quantile_columns(part, prefix)][end:][:1] for prefix in ("", ADAPTED))
        values = part[own[0]] if own else unknown
        ends.append(part[adapted[0]].fillna(values) if adapted else values)
    return ends[0], ends[1]


def in_words(part: pd.DataFrame, unit: str, limit: float | None) -> str:
    """Say in words what a chart shows of the newest forecast."""
    if part.empty:
        return "No forecast of this span has been issued."
    newest = part[part[ORIGIN] == part[ORIGIN].max()]
    if limit is not None:
        return f"Probability until {newest[TIME].max():%Y-%m-%d %H:%M} UTC: {100 * newest[FORECAST].iloc[-1]:.0f} %."
    low, high = interval(newest)
    ends = [newest[FORECAST].min(), newest[FORECAST].max(), low.min(), high.max()]
    decimals = max(0, SAID_DIGITS - 1 - _magnitude(max((abs(end) for end in ends if np.isfinite(end)), default=0.0)))
    least, most, lowest, highest = (f"{end:.{decimals}f}".replace("-", "−") for end in ends)
    said = f"Newest forecast: {least} to {most} {unit}"
    return f"{said}; its interval reaches from {lowest} to {highest}." if low.notna().any() else f"{said}."


def _magnitude(value: float) -> int:
    """Give the power of ten of a value's first digit; 0 of zero."""
    return int(np.floor(np.log10(value))) if value else 0


def _grid(settings: Settings, rows: pd.DataFrame, target: str) -> dict[str, Any]:
    """Give measurements as the first time and one value a step, null where nothing was measured."""
    if rows.empty:
        return {"first": 0, "values": []}
    step = step_of(settings.dataset.frequency)
    times = pd.date_range(rows[TIME].min(), rows[TIME].max(), freq=step)
    values = rows.drop_duplicates(TIME).set_index(TIME)[target].reindex(times)
    return {"first": _milliseconds(times[:1].to_series())[0], "values": _numbers(values)}


def _numbers(values: "pd.Series[Any]") -> list[float | None]:
    return [float(f"{value:.{SAVED_DIGITS}g}") if np.isfinite(value) else None for value in values.to_numpy(np.float64)]


def _milliseconds(times: "pd.Series[Any]") -> list[int]:
    return [int(time) for time in (times - EPOCH) // MILLISECOND]


def _nothing_of(station: str, span: Span) -> str:
    names = parquet.rows_by_station(
        [DATA / MEASUREMENTS / f"{month}.parquet" for month in months.require_months()]
    ).index
    if station not in names:
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        return f"data/ holds no station {station!r}; there are {shown}."
    return f"Of {station} nothing was measured from {span.first:%Y-%m-%d %H:%M} to {span.last:%Y-%m-%d %H:%M} UTC."
