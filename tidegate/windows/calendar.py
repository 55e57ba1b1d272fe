"""The calendar as columns: phases of the day, the week and the year, and holidays. Pure functions."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import SettingsError

CYCLES = {  # how far through the cycle a local time is, from 0 to 1
    "hour": lambda local: (local.hour + local.minute / 60) / 24,
    "weekday": lambda local: (local.day_of_week + local.hour / 24) / 7,
    "day_of_year": lambda local: (local.day_of_year - 1 + local.hour / 24) / 365.25,
}

HOLIDAYS = "holidays"  # followed by a country: holidays:DE, or a country and its part: holidays:DE-BY


def calendar_columns(parts: Sequence[str]) -> tuple[str, ...]:
    """Name the calendar's columns: a sine and a cosine for each cycle, a flag for holidays."""
    return tuple(column for part in parts for column in ((f"{part}_sin", f"{part}_cos") if part in CYCLES else (part,)))


def calendar_values(times: pd.DatetimeIndex, parts: Sequence[str], zone: str) -> npt.NDArray[np.float32]:
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
