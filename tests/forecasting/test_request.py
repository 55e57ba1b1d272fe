"""Rows that a caller of a registered model sends, in any of their forms."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidegate.errors import DataError
from tidegate.forecasting.request import read_request

CSV = "station,time,level\n007,2025-01-01T00:00Z,1\n8,2025-01-01T00:00Z,2\n"


def test_names_that_csv_made_numbers_are_those_that_the_model_knows() -> None:
    read = read_request(pd.read_csv(io.StringIO(CSV)), ["007", "8", "9"])
    assert read["station"].tolist() == ["007", "8"]
    assert read_request(pd.read_csv(io.StringIO(CSV)), ["7", "007"])["station"].tolist() == ["7", "8"]
    assert read_request(pd.read_csv(io.StringIO(CSV)), ["007", "0007"])["station"].tolist() == ["7", "8"]
    floats = pd.read_csv(io.StringIO(CSV)).astype({"station": "float64"})
    assert read_request(floats, ["7", "8"])["station"].tolist() == ["7", "8"]


@pytest.mark.parametrize(
    "given",
    [
        [{"station": "A", "time": "2025-01-01"}],
        {"station": ["A"], "time": ["2025-01-01"]},
        {"station": np.array(["A"]), "time": np.array(["2025-01-01"])},
        np.array([{"station": "A", "time": "2025-01-01"}]),
        pd.DataFrame({"station": ["A"], "time": pd.to_datetime(["2025-01-01"])}),
        pd.DataFrame({"station": ["A", None], "time": ["2025-01-01T01:00+01:00", None]}),
    ],
)
def test_rows_come_in_many_forms(given: Any) -> None:
    read = read_request(given, ["A"])
    assert read[["station", "time"]].values.tolist() == [["A", pd.Timestamp("2025-01-01", tz="UTC")]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1, 2], "These are no rows with names"),
        ("a text", "These are no rows with names"),
        ({"station": ["A", "B"], "time": ["2025-01-01"]}, "different numbers of rows"),
        ([], "no column 'station'; they have none"),
        ([{"station": "A", "time": 1735689600000}], "Row 1: time '1735689600000' is not a time"),
        ([{"station": "A", "time": "01/02/2025"}], "Row 1: time '01/02/2025' is not a time"),
        (pd.DataFrame([["A", "A", "2025-01-01"]], columns=["station", "station", "time"]), "two columns 'station'"),
    ],
)
def test_what_is_no_rows_is_refused_in_one_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_request(given, ["A"])


def test_rows_without_a_station_are_read_whatever_the_stations_are_called() -> None:
    read = read_request([{"station": None, "time": "2025-01-01"}], ["A", "B", "7"])
    assert read["station"].isna().all()  # the forecaster refuses them by their row
