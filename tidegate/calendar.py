"""Time as a regular grid: steps, gaps, the calendar, and the marks that betray a faulty sensor. Pure functions."""

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
        raise SettingsError(f"params.yaml: validate.frequency is {frequency!r}: give a duration such as 1h or 15min.")
    return step


def off_grid(times: pd.Series, step: pd.Timedelta) -> pd.Series:
    """Mark times that do not lie on whole steps, counted from where most of them lie.

    Hours of a zone that is half an hour off, or days that begin at local midnight, are as regular as those of UTC.
    """
    since = (times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta("1us") % (step // pd.Timedelta("1us"))
    return since != since.mode().min()


def stretches(rows: pd.DataFrame, step: pd.Timedelta) -> pd.Series:
    """Number the stretches without a gap, in rows sorted by station and time."""
    follows = (rows[STATION] == rows[STATION].shift()) & (rows[TIME].diff() == step)
    return (~follows).cumsum()


def regular(frame: pd.DataFrame, step: pd.Timedelta) -> pd.DataFrame:
    """Lay a frame on the regular grid: each station at each step of the network's span, NaN where nothing is.

    Raises:
        DataError: there are no rows.
    """
    if frame.empty:
        raise DataError("There are no rows left to use: see the quarantine and the source.")
    times = pd.date_range(frame[TIME].min(), frame[TIME].max(), freq=step, unit="us", name=TIME)
    stations = pd.Index(sorted(frame[STATION].unique()), name=STATION, dtype="str")
    grid = pd.MultiIndex.from_product([stations, times])
    return frame.set_index(KEYS).reindex(grid).reset_index()


def longest_run(flags: np.ndarray) -> int:
    """Count the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def plausible(values: pd.Series, lowest: float | None, highest: float | None, sentinels: Sequence[float]) -> pd.Series:
    """Make missing what a value alone shows to be no measurement: a sentinel, or one beyond the physical limits."""
    low, high = (-np.inf if lowest is None else lowest), (np.inf if highest is None else highest)
    return values.where(values.between(low, high) & ~values.isin(sentinels))


def repeats(values: pd.Series, stretch: pd.Series) -> pd.Series:
    """Count for each value the length of the run of equal values it stands in; its run's first value counts 1.

    A sensor that is stuck repeats its last true value: that one is not suspect, its copies are.
    """
    changed = (values != values.shift()) | (stretch != stretch.shift())
    run = changed.cumsum()
    length = run.map(run.value_counts())
    return length.where(~changed & values.notna(), 1)


def jump(values: pd.Series, stretch: pd.Series) -> pd.Series:
    """Measure how far each value stands out from both its neighbours, in the same direction; 0 if it does not."""
    ahead, behind = values.groupby(stretch).shift(), values.groupby(stretch).shift(-1)
    up = np.minimum(values - ahead, values - behind)
    down = np.minimum(ahead - values, behind - values)
    return pd.Series(np.maximum(np.maximum(up, down), 0.0), index=values.index).fillna(0.0)


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
