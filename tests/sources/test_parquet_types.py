"""Parquet columns of types that stand for the same thing."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from source_files import source_of

from tidegate.sources import read_all

TIMES = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")


def read(folder: Path, **columns: Any) -> pd.DataFrame:
    pd.DataFrame({"station": "A", "time": TIMES, "x": 1.0, **columns}).to_parquet(folder / "a.parquet")
    return read_all(source_of(folder))


@pytest.mark.parametrize("names", [[7, 7, 8], [7.0, 7.0, 8.0], pd.array([7, 7, 8], dtype="Int64"), ["7", "7", "8"]])
def test_a_number_names_one_station_whatever_its_type(tmp_path: Path, names: Any) -> None:
    assert read(tmp_path, station=names)["station"].tolist() == ["7", "7", "8"]


@pytest.mark.parametrize("flags", [[True, None, False], pd.array([True, None, False], dtype="boolean")])
def test_flags_are_1_0_or_missing(tmp_path: Path, flags: Any) -> None:
    values = read(tmp_path, x=flags)["x"]
    assert values.tolist()[::2] == [1.0, 0.0] and values.isna().tolist() == [False, True, False]
