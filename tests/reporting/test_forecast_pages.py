"""Pages with forecasts say what the stored forecasts and measurements say."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from pages import Page
from servers import free_ports
from workspaces import copy_workspace

import models
from tidegate.evaluation.colours import colours_of
from tidegate.workspace.paths import PARAMS, REGISTRATION, read_json
from tidegate.workspace.settings import load_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def issuing(trained: Path, tmp_path: Path) -> Path:
    """A workspace of its own in which forecasts can be issued."""
    return copy_workspace(trained, tmp_path / "workspace", "forecasts")


def issued(workspace: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in (workspace / "forecasts").rglob("*.parquet")])


def champion(workspace: Path) -> str:
    """The candidate that the only version is."""
    return str(read_json(workspace / REGISTRATION)["candidate"])


def times(milliseconds: list[int]) -> list[pd.Timestamp]:
    return list(pd.to_datetime(milliseconds, unit="ms", utc=True))


def test_the_newest_forecasts_are_drawn_as_they_were_issued(issuing: Path) -> None:
    invoke(issuing, "forecast")
    page, rows = Page(issuing / "forecasts" / "latest.html"), issued(issuing)
    charts = page.json["charts"]["charts"]
    assert [chart["station"] for chart in charts] == sorted(rows["station"].unique())
    for chart in charts:
        of_station = rows[rows["station"] == chart["station"]].sort_values("time")
        drawn = chart["forecasts"]
        assert times(drawn["time"]) == list(of_station["time"])
        for name, column in (("value", "forecast"), ("low", "adapted_q0.05"), ("high", "adapted_q0.95")):
            np.testing.assert_allclose(drawn[name], of_station[column], rtol=1e-4)
    assert f"Forecasts from {rows['origin'].max():%Y-%m-%d %H:%M} UTC" in page.text
    assert f"tidegate version 1 ({champion(issuing)})" in page.text and "90 % interval" in page.text
    settings = load_settings(issuing / PARAMS)
    colours = colours_of(settings.models, models.baseline_of(settings.models, settings.window))
    line = {"name": champion(issuing), "colour": colours[champion(issuing)], "dash": [1, 0]}
    assert page.json["charts"]["lines"] == [line] and f"forecast, {champion(issuing)}" in page.text
    assert len(page.labels) == len(charts) and not page.outside


def test_measured_values_are_those_of_the_data_and_no_sentinel_is_drawn(issuing: Path) -> None:
    month = max((issuing / "data" / "measurements").glob("*.parquet"))
    rows = pd.read_parquet(month)
    last = rows.loc[rows["station"] == "S01", "time"].max()
    rows.loc[(rows["station"] == "S01") & (rows["time"] == last - pd.Timedelta("5h")), "temperature"] = -999.0
    rows.to_parquet(month, index=False)
    invoke(issuing, "forecast")
    chart = Page(issuing / "forecasts" / "latest.html").json["charts"]["charts"][0]
    first = pd.Timestamp(chart["measured"]["first"], unit="ms", tz="UTC")
    drawn = pd.Series(
        chart["measured"]["values"], pd.date_range(first, periods=len(chart["measured"]["values"]), freq="1h")
    )
    given = rows[rows["station"] == "S01"].set_index("time")["temperature"].reindex(drawn.index)
    sentinel = given.index[given == -999.0]
    assert len(sentinel) and drawn[sentinel].isna().all()
    np.testing.assert_allclose(drawn.drop(sentinel).astype(float), given.drop(sentinel), rtol=1e-4)


def test_a_station_that_has_fallen_silent_is_marked_as_the_baselines(issuing: Path) -> None:
    for month in (issuing / "data" / "measurements").glob("*.parquet"):
        rows = pd.read_parquet(month)
        newest = rows["time"].max() if month.stem == "2024-03" else rows["time"].max() + pd.Timedelta("9D")
        silent = (rows["station"] == "S02") & (rows["time"] > newest - pd.Timedelta("2D"))
        rows.loc[silent, "temperature"] = np.nan
        rows.to_parquet(month, index=False)
    invoke(issuing, "forecast")
    page, rows = Page(issuing / "forecasts" / "latest.html"), issued(issuing)
    by_baseline = set(rows.loc[rows["method"] == "baseline", "station"])
    assert "S02" in by_baseline
    for chart in page.json["charts"]["charts"]:
        drawn_as_baseline = "baseline" in chart["forecasts"]["by"]
        assert bool(chart["baseline"]) == drawn_as_baseline == (chart["station"] in by_baseline)
    assert [line["name"] for line in page.json["charts"]["lines"]] == [champion(issuing), "baseline"]
    reason = rows.loc[rows["station"] == "S02", "reason"].iloc[0]
    assert f"baseline {reason}" in page.text


def test_a_past_forecast_leaves_the_newest_ones_page_alone(issuing: Path) -> None:
    invoke(issuing, "forecast")
    page = (issuing / "forecasts" / "latest.html").read_text()
    invoke(issuing, "forecast", "--as-of", "2024-03-20")
    assert (issuing / "forecasts" / "latest.html").read_text() == page


def test_a_plot_shows_a_span_with_forecasts_one_horizon_after_another(issuing: Path) -> None:
    invoke(issuing, "forecast", "--backfill", "2024-03-20", "2024-03-22")
    words = ["plot", "S02", "--from", "2024-03-20", "--to", "2024-03-22", "--out", "s02.html"]
    assert "s02.html" in invoke(issuing, *words).stdout
    page = Page(issuing / "s02.html")
    [chart] = page.json["charts"]["charts"]
    origins = times(chart["origins"])
    assert origins[0].floor("h") == origins[0] and len(origins) == 9
    assert {after - before for before, after in pairwise(origins)} == {pd.Timedelta("6h")}
    rows = issued(issuing)
    rows = rows[(rows["station"] == "S02") & rows["origin"].isin(origins)].sort_values(["origin", "time"])
    assert times(chart["forecasts"]["time"]) == list(rows["time"])
    np.testing.assert_allclose(chart["forecasts"]["value"], rows["forecast"], rtol=1e-4)
    by = ["baseline" if method == "baseline" else champion(issuing) for method in rows["method"]]
    assert chart["forecasts"]["by"] == by
    assert "9 forecasts" in page.text and not page.outside


def test_a_plot_needs_no_registry(issuing: Path) -> None:
    invoke(issuing, "forecast")
    (port,) = free_ports(1)
    away = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    invoke(issuing, "plot", "S01", "--out", "s01.html", **away)
    page = Page(issuing / "s01.html")
    assert [line["name"] for line in page.json["charts"]["lines"]] == ["version 1"]
    assert "tidegate version 1 (the registry does not say what it is)" in page.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["S99"], "data/ holds no station 'S99'; there are S01, S02, S03."),
        (["S01", "--from", "2030-01-01"], "Of S01 nothing was measured from 2030-01-01"),
        (["S01", "--from", "2024-02-02", "--to", "2024-02-01"], "The span ends before it begins"),
        (["S01", "--from", "soon"], "soon"),
    ],
)
def test_a_plot_of_nothing_is_refused_in_a_sentence(trained: Path, tmp_path: Path, words: list[str], said: str) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace", "mlflow")
    done = invoke(workspace, "plot", *words, check=False)
    assert done.returncode == 2 and said in done.stderr and not list((workspace / "reports").glob("S*"))


def test_a_plot_without_any_forecast_shows_what_was_measured(cheap: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(cheap, tmp_path / "workspace")
    assert invoke(workspace, "plot", "S01").stdout.split() == ["reports/S01.html"]
    page = Page(workspace / "reports" / "S01.html")
    [chart] = page.json["charts"]["charts"]
    assert any(value is not None for value in chart["measured"]["values"]) and not chart["forecasts"]["time"]
    assert "No forecast of this span has been issued." in page.text


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((-7.22, -1.87, -12.6, 0.854), "−7.2 to −1.9 m; its interval reaches from −12.6 to 0.9."),
        ((80, 120.4, 20, 1234.6), "80 to 120 m; its interval reaches from 20 to 1235."),
        ((0.001, 0.0012, 0, 0.0031), "0.00100 to 0.00120 m; its interval reaches from 0.00000 to 0.00310."),
        ((0, 0, np.nan, np.nan), "0.00 to 0.00 m."),
    ],
)
def test_the_numbers_of_a_sentence_have_the_same_decimals(ends: tuple[float, ...], said: str) -> None:
    from tidegate.reporting.forecasts import in_words

    least, most, low, high = ends
    origin = pd.Timestamp("2026-01-01", tz="UTC")
    columns = {"forecast": [least, most], "q0.05": [low, low], "q0.95": [high, high]}
    newest = pd.DataFrame({"origin": origin, "time": origin, **columns})
    assert in_words(newest, "m", None) == f"Newest forecast: {said}"
