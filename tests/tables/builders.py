"""How the tables of the corpus are made, and what their right reading is described by."""

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidegate.onboarding.columns import Told

FIRST = pd.Timestamp("2024-01-01")


@dataclass(frozen=True)
class Reading:
    """What a table is to be read as; what is None is not held to."""

    time: Any = None  # the option `time`
    options: dict[str, Any] = field(default_factory=dict)  # others
    frequency: str = "1h"
    stations: int = 1
    target: str | None = "load"
    span: tuple[str, str] | None = ("2024-01-01 00:00", "2024-01-20 23:00")
    sentinels: dict[str, tuple[float, ...]] = field(default_factory=dict)
    zone: str = "UTC"
    variables: tuple[str, ...] | None = None
    note: str | None = None  # is among what is printed
    refused: str | None = None  # instead of all this


@dataclass(frozen=True)
class Shape:
    """A table: how it is written, what the user says of it, and its right reading."""

    name: str
    write: Callable[[Path], str]  # into a folder; gives the source
    reading: Reading
    told: Told = field(default_factory=Told)


def hours(days: int = 20, frequency: str = "1h", first: pd.Timestamp = FIRST) -> pd.DataFrame:
    """Give a load and a temperature with a daily cycle, at regular times."""
    time = pd.date_range(first, first + pd.Timedelta(days=days), freq=frequency, inclusive="left")
    angle = (time.hour + time.minute / 60).to_numpy() / 24 * 2 * np.pi
    rng = np.random.default_rng(3)
    load = (500 + 100 * np.sin(angle) + rng.normal(0, 10, len(time))).round(1)
    return pd.DataFrame(
        {"time": time, "load": load, "temp": (10 + 5 * np.sin(angle - 1) + rng.normal(0, 1, len(time))).round(2)}
    )


def stations(frame: pd.DataFrame, *names: Any, column: str = "station") -> pd.DataFrame:
    """Repeat a table for several stations."""
    parts = [frame.assign(**{column: name, "load": frame["load"] + 10 * number}) for number, name in enumerate(names)]
    return pd.concat(parts, ignore_index=True)


def csv(frame: pd.DataFrame, name: str = "in.csv", **options: Any) -> Callable[[Path], str]:
    """Write a frame as text."""

    def write(folder: Path) -> str:
        frame.to_csv(folder / name, **{"index": False, **options})
        return name

    return write


def text(content: str, name: str = "in.txt") -> Callable[[Path], str]:
    """Write text as it is."""

    def write(folder: Path) -> str:
        (folder / name).write_text(content, encoding="utf-8")
        return name

    return write


def timed(form: str, **columns: str) -> pd.DataFrame:
    """Write the time in another form, or as several columns."""
    frame = hours()
    if not columns:
        return frame.assign(time=frame["time"].dt.strftime(form))
    parts = {name: frame["time"].dt.strftime(part) for name, part in columns.items()}
    return pd.concat([pd.DataFrame(parts), frame[["load", "temp"]]], axis=1)


def numbered(**columns: str) -> pd.DataFrame:
    """Write parts of the time as columns of plain numbers."""
    time = hours()["time"].dt
    values = {"doy": time.day_of_year, "hour_ending": time.hour + 1}
    parts = {name: values.get(part, getattr(time, part, None)) for name, part in columns.items()}
    return pd.concat([pd.DataFrame(parts), hours()[["load", "temp"]]], axis=1)


def blanks(frame: pd.DataFrame, header: bool = True) -> str:
    """Write columns of fixed widths."""
    return frame.to_string(index=False, header=header) + "\n"


def packed(**members: str) -> Callable[[Path], str]:
    """Write a zip archive."""

    def write(folder: Path) -> str:
        with zipfile.ZipFile(folder / "in.zip", "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "."), content)
        return "in.zip"

    return write


def gzipped(folder: Path) -> str:
    """Write a compressed table."""
    (folder / "in.csv.gz").write_bytes(gzip.compress(as_csv(hours()).encode()))
    return "in.csv.gz"


def as_csv(frame: pd.DataFrame, **options: Any) -> str:
    """Give a frame as CSV."""
    buffer = io.StringIO()
    frame.to_csv(buffer, **{"index": False, **options})
    return buffer.getvalue()


def several(**files: pd.DataFrame) -> Callable[[Path], str]:
    """Write a folder of files."""

    def write(folder: Path) -> str:
        (folder / "m").mkdir()
        for name, frame in files.items():
            frame.to_csv(folder / "m" / f"{name}.csv", index=False)
        return "m"

    return write


PLAIN = hours()
BROKEN = PLAIN.assign(
    load=PLAIN["load"].mask(PLAIN.index % 97 == 5, -999), temp=PLAIN["temp"].mask(PLAIN.index % 97 == 5, -999)
)
LARGE = PLAIN.assign(
    load=(PLAIN["load"] * 10 + 900).mask(PLAIN.index % 97 == 5, -200),
    temp=PLAIN["temp"].mask(PLAIN.index % 97 == 5, -200),
)
EPOCH = (PLAIN["time"] - pd.Timestamp("1970-01-01")) // pd.Timedelta("1s")
DATED = {"Date": "%Y-%m-%d", "Time": "%H:%M"}
DAYS = pd.DataFrame(
    {
        "time": pd.date_range("2022-01-01", periods=500, freq="D"),
        "flow": np.random.default_rng(1).gamma(2, 5, 500).round(2),
    }
)
SHORT_DAYS = DAYS.assign(time=DAYS["time"].dt.strftime("%d/%m/%Y")).head(12 * 30)
