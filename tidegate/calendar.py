"""Time as a regular grid: steps, the calendar, and what is a measurement at all. Pure functions."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import DataError, SettingsError
from tidegate.frame import KEYS, STATION, TIME


def step_of(frequency: str) -> pd.Timedelta:
    """Turn a frequency such as "1h" or "15min" into a duration.

    Raises:
        SettingsError: it is not a fixed, positive duration.
    """
    try:
        step = pd.Timedelta(frequency)
    except ValueError:
        step = pd.NaT  # type: ignore[assignment]
    if pd.isna(step) or step < pd.Timedelta("1s"):
        raise SettingsError(f"params.yaml: dataset.frequency is {frequency!r}: give a duration such as 1h or 15min.")
    return step


def regular(
    frame: pd.DataFrame, step: pd.Timedelta, first: pd.Timestamp | None = None, last: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Lay a frame on the regular grid: each station at each step of a span, by default the frame's, NaN elsewhere.

    Raises:
        DataError: there are no rows.
    """
    if frame.empty:
        raise DataError("There are no rows left to use: see the quarantine and the source.")
    first, last = frame[TIME].min() if first is None else first, frame[TIME].max() if last is None else last
    times = pd.date_range(first, last, freq=step, unit="us", name=TIME)
    stations = pd.Index(sorted(frame[STATION].unique()), name=STATION, dtype="str")
    step_in = times.get_indexer(pd.DatetimeIndex(frame[TIME]))
    on_it = step_in >= 0
    row = (pd.factorize(frame[STATION], sort=True)[0] * len(times) + step_in)[on_it]
    moments = pd.DatetimeIndex(np.tile(times.asi8, len(stations)).view("M8[us]"), tz="UTC")
    made = {STATION: pd.Series(stations.repeat(len(times))), TIME: pd.Series(moments)}
    for name in frame.columns.drop(KEYS):
        column = np.full(len(times) * len(stations), np.nan)
        column[row] = frame[name].to_numpy(np.float64)[on_it]
        made[name] = pd.Series(column)
    return pd.DataFrame(made)


def plausible(values: pd.Series, lowest: float | None, highest: float | None, sentinels: Sequence[float]) -> pd.Series:
    """Make missing what a value alone shows to be no measurement: a sentinel, or one beyond the physical limits."""
    low, high = (-np.inf if lowest is None else lowest), (np.inf if highest is None else highest)
    return values.where(values.between(low, high) & ~values.isin(sentinels))


CYCLES = {  # how far through the cycle a local time is, from 0 to 1
    "hour": lambda local: (local.hour + local.minute / 60) / 24,
    "weekday": lambda local: (local.day_of_week + local.hour / 24) / 7,
    "day_of_year": lambda local: (local.day_of_year - 1 + local.hour / 24) / 365.25,
}
HOLIDAYS = "holidays"  # followed by a country: holidays:DE, or a country and its part: holidays:DE-BY


def columns(parts: Sequence[str]) -> tuple[str, ...]:
    """Name the calendar's columns: a sine and a cosine for each cycle, a flag for holidays."""
    return tuple(column for part in parts for column in ((f"{part}_sin", f"{part}_cos") if part in CYCLES else (part,)))


def calendar(times: pd.DatetimeIndex, parts: Sequence[str], zone: str) -> npt.NDArray[np.float32]:
    """Give the calendar of times in a zone: (steps, columns). Neighbouring phases are close, also over midnight.

    Raises:
        SettingsError: a part or the country of holidays is unknown.
    """
    local = times.tz_convert(zone)
    made: list[npt.NDArray[np.float64]] = []
    for part in parts:
        if part in CYCLES:
            angle = 2 * np.pi * np.asarray(CYCLES[part](local), np.float64)
            made += [np.sin(angle), np.cos(angle)]
        else:
            made.append(holidays_on(local, part))
    return np.stack(made, axis=-1).astype(np.float32) if made else np.zeros((len(times), 0), np.float32)


def holidays_on(local: pd.DatetimeIndex, part: str) -> npt.NDArray[np.float64]:
    """Flag the times that lie on a public holiday of a country, such as holidays:DE or holidays:DE-BY.

    Raises:
        SettingsError: the part of the calendar or the country is unknown.
    """
    kind, _, place = part.partition(":")
    if kind != HOLIDAYS or not place:
        known = ", ".join([*CYCLES, f"{HOLIDAYS}:<country>"])
        raise SettingsError(f"params.yaml: window.calendar holds {part!r}, which is unknown; known: {known}.")
    import holidays

    country, _, region = place.partition("-")
    try:
        days = holidays.country_holidays(country, subdiv=region or None, years=sorted(set(local.year)))
    except NotImplementedError:
        raise SettingsError(
            f"params.yaml: window.calendar holds {part!r}, and the holidays of {place} are not known: give a country's "
            "code of two letters, and after a dash its part, if any."
        ) from None
    return np.array([day in days for day in local.date], np.float64)
