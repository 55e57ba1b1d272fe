"""Calendar columns: phases of the day, the week and the year, and public holidays. Pure functions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import SettingsError

CYCLES = {  # the phase of a local time in the cycle, from 0 to 1
    "hour": lambda local: (local.hour + local.minute / 60) / 24,
    "weekday": lambda local: (local.day_of_week + local.hour / 24) / 7,
    "day_of_year": lambda local: (local.day_of_year - 1 + local.hour / 24) / 365.25,
}

HOLIDAYS = "holidays"  # with a country, holidays:DE, or a country and a region, holidays:DE-BY


def calendar_columns(parts: Sequence[str]) -> tuple[str, ...]:
    """Name the calendar columns: a sine and a cosine for each cycle, one flag for holidays."""
    return tuple(column for part in parts for column in ((f"{part}_sin", f"{part}_cos") if part in CYCLES else (part,)))


def calendar_values(times: pd.DatetimeIndex, parts: Sequence[str], zone: str) -> npt.NDArray[np.float32]:
    """Compute the calendar columns of times in a time zone: (steps, columns).

    A cycle has a sine and a cosine, so that the end of the cycle is close to its beginning.

    Raises:
        SettingsError: a part or the country of holidays is unknown.
    """
    local: Any = times.tz_convert(zone).array
    columns: list[npt.NDArray[np.float64]] = []
    for part in parts:
        if part in CYCLES:
            angle = 2 * np.pi * CYCLES[part](local)
            columns += [np.sin(angle), np.cos(angle)]
        else:
            columns.append(holidays_on(local, part))
    return np.stack(columns, axis=-1).astype(np.float32) if columns else np.zeros((len(times), 0), np.float32)


def holidays_on(local: Any, part: str) -> npt.NDArray[np.float64]:
    """Flag the times on a public holiday; `part` names the country, such as holidays:DE or holidays:DE-BY.

    Raises:
        SettingsError: the part of the calendar or the country is unknown.
    """
    name, _, region = part.partition(":")
    if name != HOLIDAYS or not region:
        known = ", ".join([*CYCLES, f"{HOLIDAYS}:<country>"])
        raise SettingsError(f"params.yaml: window.calendar holds {part!r}, which is unknown; known: {known}.")
    import holidays

    country, _, subdivision = region.partition("-")
    try:
        days = holidays.country_holidays(country, subdiv=subdivision or None, years=sorted(set(local.year)))
    except NotImplementedError:
        raise SettingsError(
            f"params.yaml: window.calendar holds {part!r}, and the holidays of {region} are not known: give the "
            "code of a country in two letters, and after a dash its region, if any."
        ) from None
    return np.array([day in days for day in local.date], np.float64)
