"""Which variable of someone's table is to be forecast, by evidence. A guess, with its runner-up; pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tidegate.onboarding.limits import is_category

# By the words of a name: the first group in which any variable is found has the target.
WANTED: tuple[tuple[str, ...], ...] = (
    ("target", "ot", "y"),
    ("load", "demand", "consumption", "energy", "power", "generation", "kwh", "mwh", "kw", "mw"),
    ("discharge", "streamflow", "flow", "runoff", "inflow", "outflow", "q"),
    (
        "traffic",
        "volume",
        "count",
        "counts",
        "cnt",
        "total",
        "trips",
        "passengers",
        "vehicles",
        "occupancy",
        "visitors",
    ),
    ("pm2.5", "pm25", "pm2_5", "pm10", "no2", "nox", "o3", "ozone", "so2", "co", "benzene", "concentration"),
    ("level", "stage", "gauge", "height", "depth"),
)
TEMPERATURES = ("temperature", "temp", "t", "ta", "t2m", "tair", "tmp")
WEATHER = (
    *("humidity", "rh", "humid", "pressure", "pres", "slp", "wind", "gust", "wspm", "ws", "wd", "wv", "dew", "dewp"),
    *("cloud", "clouds", "rain", "precip", "precipitation", "prcp", "snow", "radiation", "solar", "sun", "visibility"),
    *("atemp", "feels", "apparent", "wdir", "windspeed", "visib", "iprec", "dir", "degree"),
)
QUANTITIES = (
    "kw",
    "mw",
    "kwh",
    "mwh",
    "m³/s",
    "m3/s",
    "ft³/s",
    "cfs",
    "µg/m³",
    "ug/m3",
    "mg/m3",
    "ppb",
    "ppm",
    "veh/h",
)
COUNTED = 30  # different whole numbers, from 0 on: a count


@dataclass(frozen=True)
class TargetGuess:
    """The variable to forecast, why, and the runner-up."""

    name: str
    why: str
    runner_up: str | None = None


def target_of(values: pd.DataFrame, units: Mapping[str, str]) -> TargetGuess:
    """Choose what is to be forecast.

    Args:
        values: a column a variable.
        units: of the variables.
    """
    ranks = {str(name): _rank(str(name), units.get(str(name), ""), cells) for name, cells in values.items()}
    ranked = sorted(ranks, key=lambda name: ranks[name])
    best, rank = ranked[0], ranks[ranked[0]][0]
    why = "it is the only variable" if len(ranked) == 1 else REASONS[min(rank, len(REASONS) - 1)]
    return TargetGuess(best, why, ranked[1] if len(ranked) > 1 else None)


REASONS = (
    "its name says that it is forecast",
    "loads, flows, counts and concentrations come first",
    "its unit is that of a load, a flow or a concentration",
    "it looks like a count",
    "of weather, temperature comes first",
    "nothing says that it is weather, a class or a flag",
    "it varies like a measurement",
    "there is nothing but classes and flags",
)


def _rank(name: str, unit: str, values: "pd.Series[float]") -> tuple[int, int, float]:
    """Give the place of a variable in the order of preference, a lower one first."""
    words = set(re.split(r"[^a-z0-9.]+", name.lower())) | {name.lower()}
    missing = round(float(values.isna().mean()), 1)
    group = next((place for place, names in enumerate(WANTED) if words & set(names)), None)
    if group == 0:
        return 0, 0, missing
    if is_category(values):
        return 7, 0, missing
    if group is not None:
        within = min((WANTED[group].index(word) for word in words if word in WANTED[group]), default=0)
        return 1, 100 * group + within, missing
    if unit.lower() in QUANTITIES:
        return 2, 0, missing
    if words & set(WEATHER):
        return 6, 0, missing
    if words & set(TEMPERATURES):
        return 4, 0, missing
    present = values.dropna()
    counted = (present == present.round()).all() and (present >= 0).all() and present.nunique() >= COUNTED
    return (3 if counted else 5), 0, missing
