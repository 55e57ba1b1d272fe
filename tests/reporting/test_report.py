"""The report says what the artifacts say, whatever came of the run."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from pages import Page
from workspaces import copy_workspace, run_in, set_params

import models
from tidegate.evaluation.colours import BASELINE, CANDIDATES, colours_of
from tidegate.reporting import decision, evaluation
from tidegate.workspace.paths import REGISTRATION, read_json, write_json
from tidegate.workspace.settings import Settings, load_settings

pytestmark = pytest.mark.slow
REPORT = Path("reports") / "report.html"


def charts_of(workspace: Path) -> list[dict]:
    """The specs of the report's charts."""
    text = (workspace / REPORT).read_text()
    return [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)]


def colours_in(spec: dict) -> dict[str, str]:
    """The colours of the candidates in a chart."""
    scale = spec["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def test_a_run_ends_with_the_path_of_its_report(trained: Path) -> None:
    assert (trained / "transcript.txt").read_text().splitlines()[-1] == f"Report: {REPORT}"


def test_the_verdict_and_the_table_are_those_of_the_artifacts(trained: Path) -> None:
    page = Page(trained / REPORT)
    decision = json.loads((trained / "artifacts" / "registration.json").read_text())
    scores = json.loads((trained / "artifacts" / "evaluation" / "metrics.json").read_text())
    assert f"{decision['candidate']} is champion, as version 1: {decision['reason']}." in page.text
    for name, of_candidate in scores.items():
        row = page.row(f"{name} (baseline)" if name == "seasonal_naive" else name)
        assert row[1:6] == [f"{of_candidate[key]:.3f}" for key in ("mae", "rmse", "mase", "mase_median", "crps")]
        assert row[6:] == [f"{of_candidate[key]:.1%}" for key in ("coverage", "skill")]
    names = [row[0] for row in page.rows if row and row[0].removesuffix(" (baseline)") in scores]
    assert names[0] == min(scores, key=lambda name: scores[name]["mase"])


def test_each_figure_has_its_words_and_each_candidate_its_colour_in_all_of_them(trained: Path) -> None:
    page, charts = Page(trained / REPORT), charts_of(trained)
    assert len(page.labels) == len(charts) >= 9 and all(len(label) > 20 for label in page.labels)
    settings = load_settings(trained / "params.yaml")
    colours = colours_of(settings.models, models.baseline_of(settings.models, settings.window))
    coloured = [colours_in(spec) for spec in charts if "color" in spec.get("encoding", {})]
    assert len(coloured) >= 4 and all(colours[name] == colour for found in coloured for name, colour in found.items())
    assert not page.outside


def test_the_quality_of_the_data_is_a_line_a_rule(trained: Path) -> None:
    page = Page(trained / REPORT)
    counts = json.loads((trained / "artifacts" / "validation.json").read_text())
    values = counts["values"]
    assert f"{values['quarantined']:,} of {values['measured']:,} values of {counts['stations']} stations" in page.text
    for rule in ("sentinel", "stuck", "range", "gap"):
        held = counts["quarantined"].get(rule, 0)
        said = page.row(rule)[1]
        assert said.startswith(f"{held:,} values in quarantine" if held else "nothing found" if held == 0 else said)


def test_the_report_is_kept_with_the_run_of_the_version(trained: Path) -> None:
    [kept] = (trained / "mlflow" / "artifacts").rglob("report/report.html")
    assert kept.read_bytes() == (trained / REPORT).read_bytes()


def test_the_verdict_is_right_after_runs_that_promote_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_workspace(trained, tmp_path / "workspace"))
    settings, before, said = load_settings(), read_json(REGISTRATION), []
    cases = [
        {"registered": False, "promoted": False, "version": None, "reason": "no candidate beats seasonal naive"},
        {"registered": True, "promoted": False, "version": 2, "reason": "lstm does not beat the champion"},
    ]
    for case in cases:
        write_json(REGISTRATION, {**before, **case})
        said.append(decision.verdict(settings, "", []).sentence)
    said.append(decision.verdict(settings, "The evaluation gate is closed: x.", []).sentence)
    said.append(decision.verdict(settings, "", ["register"]).sentence)
    REGISTRATION.unlink()
    said.append(decision.verdict(settings, "", []).sentence)
    candidate = json.loads((trained / "artifacts" / "registration.json").read_text())["candidate"]
    champion = f"version 1 ({candidate})"
    assert said[0] == f"The champion stays, {champion}: no candidate beats seasonal naive."
    assert said[1] == f"The champion stays, {champion}: lstm does not beat the champion."
    assert said[2] == f"The run stopped, and {champion} stays champion: The evaluation gate is closed: x."
    assert f"{champion} stays champion: not up to date are register" in said[3]
    assert "no candidate has been decided about yet" in said[4]


def test_a_run_that_the_gate_refuses_leaves_a_report_that_says_so(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace")
    set_params(workspace, {"validate.rules.missing.tolerance": 0.0})
    done = run_in(workspace, "tidegate", "run", check=False)
    assert done.returncode and f"Report: {REPORT}" in done.stdout
    assert re.search(r"^Stale: validate .*; about \d+ (s|min), by how long it took last time$", done.stdout, re.M)
    verdict = Page(workspace / REPORT).text
    assert "The run stopped, and version 1" in verdict and "data gate is closed" in verdict
    invoke(workspace, "report")
    assert re.search(
        r"The data gate is closed, and version 1 \(\w+\) stays champion: missing at S0", Page(workspace / REPORT).text
    )


def test_a_workspace_without_any_run_has_a_report_that_says_what_makes_each_part(cheap: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(cheap, tmp_path / "workspace")
    assert invoke(workspace, "report").stdout.split() == [str(REPORT)]
    page = Page(workspace / REPORT)
    assert "there is no champion: no candidate has been decided about yet" in page.text
    for stage in ("evaluate", "diagnose", "validate"):
        assert f"the stage {stage}" in page.text
    assert "No candidate has been evaluated yet" in page.text and "tidegate verify compares them" in page.text
    assert not page.labels


def test_issued_and_verified_forecasts_are_in_the_report(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace", "forecasts")
    invoke(workspace, "forecast", "--backfill", "2024-03-20", "2024-03-21")
    invoke(workspace, "verify")
    invoke(workspace, "report")
    page = Page(workspace / REPORT)
    rows = pd.concat(pd.read_parquet(path) for path in (workspace / "verification").rglob("rows/*.parquet"))
    assert page.row("tidegate version 1")[1] == f"{(rows['status'] == 'verified').sum():,}"
    assert "Forecasts from 2024-03-21 00:00 UTC, by tidegate version 1 (linear)." in page.text
    assert page.row("S01")[1].endswith(".") and "°C" in page.row("S01")[1]


def with_static(settings: Settings, static: dict[str, dict[str, float]]) -> evaluation.Shown:
    dataset = settings.dataset.model_copy(update={"static": static})
    colours = colours_of(settings.models, "seasonal_naive")
    return evaluation.Shown(settings.model_copy(update={"dataset": dataset}), "linear", "seasonal_naive", colours)


def test_stations_are_on_a_map_where_their_coordinates_are_given(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    places = {"S01": 51.0, "S02": 51.5, "S03": 52.0}
    settings = load_settings()
    [bars] = with_static(settings, {"elevation": places}).by_station().figures
    [drawn] = with_static(settings, {"Latitude": places, "lon": places}).by_station().figures
    assert "latitude" not in json.dumps(bars.spec)
    points = drawn.spec["layer"][0]
    assert points["encoding"]["y"]["field"] == "latitude" and points["mark"]["type"] == "circle"
    values = next(iter(drawn.spec["datasets"].values()))
    assert {row["station"]: row["latitude"] for row in values} == places
    scores = pd.read_csv("artifacts/evaluation/by_station.csv", dtype={"station": str})
    linear = scores[scores["model"] == "linear"].set_index("station")["mase"]
    assert {row["station"]: row["score"] for row in values} == pytest.approx(dict(linear))


def test_candidates_have_colours_apart_from_each_other_and_the_baseline_is_grey() -> None:
    colours = colours_of(["a", "naive", "b", "c", "d", "e", "f"], "naive")
    assert colours["naive"] == BASELINE and [colours[name] for name in "abcdef"] == list(CANDIDATES)
    assert len(set(colours.values())) == len(colours)
