"""The registered model behind MLflow's own server: rows in any form that it takes, and refusals in one sentence."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from servers import free_ports, process

from tidegate.measurements import frame as long_frame

pytestmark = pytest.mark.slow

Rows = pd.DataFrame
HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of MLflow's server with the champion."""
    (port,) = free_ports(1)
    words = "models", "serve", "-m", "models:/tidegate@champion", "-h", "127.0.0.1", "-p", str(port)
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{trained}/mlflow/mlflow.db"}
    address = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("served")
    with process(folder, "mlflow", *words, "--env-manager", "local", health=f"{address}/ping", **env):
        yield address


@pytest.fixture
def rows(trained: Path) -> Rows:
    clean = long_frame.read_frame(trained / "artifacts" / "clean.parquet")
    rows = clean[clean["time"] > clean["time"].max() - 48 * HOUR]
    return rows[["station", "time", "temperature", "humidity", "pressure", "wind_speed"]].reset_index(drop=True)


def ask(server: str, body: str, kind: str = "application/json") -> tuple[int, Any]:
    request = urllib.request.Request(f"{server}/invocations", body.encode(), {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def forecasts(answer: tuple[int, Any]) -> list[Any]:
    status, content = answer
    assert status == 200, content
    return [(row["station"], row["time"], round(row["forecast"], 4), row["method"]) for row in content["predictions"]]


def split(rows: Rows) -> str:
    return json.dumps({"dataframe_split": json.loads(rows.to_json(orient="split", date_format="iso"))})


FORMS: dict[str, Callable[[Rows], tuple[str, ...]]] = {
    "records": lambda rows: (
        json.dumps({"dataframe_records": json.loads(rows.to_json(orient="records", date_format="iso"))}),
    ),
    "inputs": lambda rows: (json.dumps({"inputs": rows.astype({"time": "str"}).to_dict("list")}),),
    "csv": lambda rows: (rows.to_csv(index=False), "text/csv"),
    "csv without a zone": lambda rows: (
        rows.assign(time=rows["time"].dt.tz_localize(None)).to_csv(index=False),
        "text/csv",
    ),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_each_form_of_the_same_rows_gives_the_same_forecasts(server: str, rows: Rows, form: str) -> None:
    rows = rows.dropna()
    expected = forecasts(ask(server, split(rows)))
    assert len(expected) == 18 and {row[3] for row in expected} == {"model"}
    assert forecasts(ask(server, *FORMS[form](rows))) == expected


REFUSED: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "numbers as times": (lambda rows: rows.assign(time=rows["time"].astype("int64")), "is not a time that can be read"),
    "day or month first": (
        lambda rows: rows.assign(time=rows["time"].dt.strftime("%d/%m/%Y %H:%M")),
        "is not a time that can be read",
    ),
    "no time": (lambda rows: rows.drop(columns="time"), "The rows have no column 'time'"),
    "no station": (lambda rows: rows.drop(columns="station"), "The rows have no column 'station'"),
    "no variable": (lambda rows: rows.drop(columns="humidity"), "The rows have no column 'humidity'"),
    "a word as a number": (lambda rows: rows.assign(humidity="wet"), "humidity is 'wet', which is not a number"),
    "an unknown station": (lambda rows: rows.replace({"station": {"S01": "X"}}), "Station X is none of those"),
    "no rows": (lambda rows: rows.iloc[:0], "no measurements to forecast from"),
}


@pytest.mark.parametrize("fault", list(REFUSED))
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_refusal_is_one_sentence_without_the_rows(server: str, rows: Rows, fault: str, kind: str) -> None:
    spoil, sentence = REFUSED[fault]
    spoilt = spoil(rows)
    body = (split(spoilt),) if kind == "json" else (spoilt.to_csv(index=False), "text/csv")
    status, content = ask(server, *body)
    assert status == 400, content
    assert sentence in content["message"] and len(content["message"].splitlines()) == 1, content
    assert "Failed" not in content["message"] and len(content["message"]) < 250


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: pd.concat([rows, pd.DataFrame([{"station": None}])]),
        lambda rows: rows.assign(humidity=rows["humidity"].round().astype("Int64")),
        lambda rows: rows.assign(humidity=rows["humidity"].astype(object).where(rows["humidity"].notna(), None)),
        lambda rows: pd.concat([rows, rows.iloc[-1:].assign(time=rows["time"].max() + HOUR / 2)]),
    ],
    ids=["a blank row", "whole numbers", "None among numbers", "a row between the steps"],
)
def test_rows_as_people_send_them_are_accepted(server: str, rows: Rows, change: Callable[[Rows], Rows]) -> None:
    expected = {row[:2] for row in forecasts(ask(server, split(rows)))}
    assert {row[:2] for row in forecasts(ask(server, split(change(rows))))} == expected


def test_damaged_rows_get_the_answer_that_they_get_without_a_server(server: str, rows: Rows, trained: Path) -> None:
    (found,) = (trained / "mlflow" / "artifacts").rglob("MLmodel")
    model, methods = mlflow.pyfunc.load_model(str(found.parent)), set[str]()
    for seed in range(12):
        random = np.random.default_rng(seed)
        gone = random.random(len(rows)) < random.choice([0, 0.02, 0.4])
        gone |= (rows["station"] == "S02") & (rows["time"] > rows["time"].max() - random.integers(0, 9) * HOUR)
        damaged = rows.assign(temperature=rows["temperature"].mask(gone))
        if seed % 4 == 0:
            damaged = damaged.assign(time=damaged["time"] + random.choice([0, 30]) * pd.Timedelta("1min"))
        status, content = ask(server, split(damaged))
        try:
            expected = model.predict(damaged)
        except mlflow.MlflowException as refusal:
            assert (status, content["message"]) == (400, refusal.message)
            continue
        got = pd.DataFrame(content["predictions"])
        for name in ("station", "method", "reason"):
            assert got[name].tolist() == expected[name].tolist()
        assert got["forecast"].to_numpy() == pytest.approx(expected["forecast"].to_numpy(), abs=1e-4)
        methods |= set(got["method"])
    assert methods == {"model", "baseline"}
