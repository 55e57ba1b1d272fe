"""How the times in a column are written: a guess, with its rival where there is one. Pure functions of text."""

import re
from typing import Any

import pandas as pd
from pandas.tseries.api import guess_datetime_format

from tidegate.sources.cells import EPOCH_SECONDS, is_implausible, read_epoch, read_text_times
from tidegate.sources.files.timestamps import END_OF_DAY

SINCE_1970 = {"unix": (3e8, 4.2e9), "unix_ms": (3e11, 4.2e12)}  # 1979 to 2103
COMPACT = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits
DATE_FIRST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?=\D|$)")
TIME_OF_DAY = re.compile(
    r"(?P<gap>[ T]+)\d{1,2}(?P<mark>[:.])\d{2}(?P<seconds>(?P=mark)\d{2})?(?P<half>\s*[AaPp][Mm])?$"
)
TIME_NAMES = ("time", "date", "datetime", "timestamp", "date_time", "time_hour", "valid", "ts", "period", "when")
READABLE = 0.95  # share of rows


def format_of(name: str, text: "pd.Series[str]") -> tuple[str | None, str]:
    """Give the format of a column of times, None where the reader of files tells it; and another that fits as well."""
    if pd.to_numeric(text, errors="coerce").notna().mean() > 0.5:
        return _numeric_format(name, text), ""
    return _text_format(text)


def read_times(cells: "pd.Series[Any]", time_format: str | None) -> "pd.Series[Any]":
    """Read a column of times without their zone, NaT for what is none."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return cells.dt.tz_convert("UTC").dt.tz_localize(None) if cells.dt.tz is not None else cells
    if time_format in EPOCH_SECONDS:
        return read_epoch(cells, time_format).dt.tz_localize(None)
    text = cells.astype("str").fillna("").str.strip().str.replace(END_OF_DAY, "00", regex=True)
    try:
        times = (
            read_text_times(text, time_format)
            if time_format
            else pd.to_datetime(text, errors="coerce", utc=True, format="mixed")
        )
    except (ValueError, TypeError):
        return pd.Series(pd.NaT, index=cells.index)
    return times.dt.tz_localize(None)


def _numeric_format(name: str, text: "pd.Series[str]") -> str | None:
    """Tell dates written as digits, and counts since 1970, from other numbers."""
    digits = text.str.fullmatch(r"\d+(\.0+)?").mean() > READABLE
    lengths = text.str.replace(r"\.0+$", "", regex=True).str.len()
    compact = COMPACT.get(int(lengths.iloc[0])) if digits and lengths.nunique() == 1 else None
    if compact and (~is_implausible(read_times(text, compact))).mean() > READABLE:
        return compact
    numbers = pd.to_numeric(text, errors="coerce")
    steps = numbers.drop_duplicates().sort_values().diff().dropna()
    regular = len(steps) > 2 and steps.nunique() <= max(3, len(steps) // 10)
    for unit, (first, last) in SINCE_1970.items():
        if numbers.between(first, last).all() and (regular or name.lower() in TIME_NAMES):
            return unit
    return None


def _text_format(text: "pd.Series[str]") -> tuple[str | None, str]:
    """Give the format of dates whose year does not come first, and the rival reading that fits as well, if any."""
    plain = text.str.replace(END_OF_DAY, "00", regex=True)
    fitting = []
    for rank, form in enumerate(_formats(plain)):
        times = read_times(plain, form)
        readable = float((~is_implausible(times)).mean())
        if readable > READABLE:
            fitting.append((-round(readable, 3), -round(_regularity(times), 2), rank, form, times))
    if not fitting:
        return _month_names(str(plain.iloc[0])), ""
    fitting.sort(key=lambda found: found[:3])
    best = fitting[0]
    rivals = [found for found in fitting[1:] if found[:2] == best[:2] and not found[4].equals(best[4])]
    if not rivals:
        return best[3], ""
    first, other = best[4].iloc[0], rivals[0][4].iloc[0]
    doubt = f"{plain.iloc[0]!r} is read as {first:%d %B %Y}; if it is {other:%d %B %Y}: --time-format '{rivals[0][3]}'"
    return best[3], doubt


def _formats(text: "pd.Series[str]") -> list[str]:
    """List the formats in which dates such as 13.01.2024 18.00 may be written; none if they are of another kind."""
    first = str(text.iloc[0])
    match = DATE_FIRST.match(first)
    if not match:
        return []
    rest = first[match.end() :]
    clock = TIME_OF_DAY.fullmatch(rest)
    if rest and not clock:
        return []
    end = ""
    if clock:
        mark, seconds, half = clock["mark"], clock["seconds"], clock["half"]
        hour, blank = ("%I", half[: len(half) - 2] + "%p") if half else ("%H", "")
        end = clock["gap"] + hour + mark + "%M" + (f"{mark}%S" if seconds else "") + blank
    mark, year = match[2], "%Y" if len(match[4]) == 4 else "%y"
    orders = [("%d", "%m", year), ("%m", "%d", year)]
    orders += [("%y", "%m", "%d")] if year == "%y" else []
    return [mark.join(order) + end for order in orders]


def _month_names(text: str) -> str | None:
    """Give the format of a date with the name of a month; None where the reader of files tells it by itself."""
    return guess_datetime_format(text) if re.search(r"[A-Za-z]{3}", text) and not text[:4].isdigit() else None


def _regularity(times: "pd.Series[Any]") -> float:
    """Give the share of the commonest step between the different times, in the order of rows."""
    steps = times.dropna().drop_duplicates().diff().dropna()
    return float((steps == steps.mode().iloc[0]).mean()) if len(steps) else 0.0
