"""What a user sees in a browser: MLflow's runs and card, Prefect's artifacts, Data Docs, DVC's plots."""

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from browser import browser_page
from servers import free_ports, mlflow_server, prefect_server
from workspaces import copy_workspace, run_in

from tidegate.tracking import pages, store
from tidegate.workspace.paths import read_json

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def shown(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained workspace whose store knows where it is."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("shown"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(copy)
        store.open_client()
    return copy


def ranked(workspace: Path) -> list[str]:
    scores = read_json(workspace / "artifacts" / "evaluation" / "metrics.json")
    return sorted(scores, key=lambda name: float(scores[name]["mase"]))


def artifact(api: str, key: str) -> str:
    """The id of the newest artifact of this key."""
    body = json.dumps({"artifacts": {"key": {"any_": [key]}}}).encode()
    request = urllib.request.Request(f"{api}/artifacts/latest/filter", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)[0]["latest_id"])


def test_mlflow_opens_on_the_sorted_runs_with_their_scores_and_a_version_shows_its_card(shown: Path) -> None:
    (port,) = free_ports(1)
    files = shown / "mlflow"
    with (
        mlflow_server(shown / "server", port, f"sqlite:///{files}/mlflow.db", str(files / "artifacts")) as url,
        browser_page() as page,
    ):
        page.goto(f"{url}/{pages.runs_path('1')}")
        page.get_by_text(f"{ranked(shown)[-1]} ·").first.wait_for()
        text = page.inner_text("body")
        places = [text.index(f"{name} ·") for name in ranked(shown)]
        assert places == sorted(places)
        best = read_json(shown / "artifacts" / "scores" / f"{ranked(shown)[0]}.json")
        assert str(best["mase"]) in text and "Forecasts of temperature" in text
        page.goto(f"{url}/#/models/tidegate/versions/1")
        page.get_by_text("How to call it").wait_for()
        assert "Test scores" in page.inner_text("body")
        assert all(asked.startswith((url, "data:", "blob:")) for asked in page.asked)


def test_prefects_run_shows_the_result_and_each_stages_line(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace")
    (workspace / "artifacts" / "registration.json").unlink()
    (port,) = free_ports(1)
    with prefect_server(tmp_path / "prefect", port) as api, browser_page() as page:
        run_in(workspace, "tidegate", "run", PREFECT_API_URL=api)
        reason = read_json(workspace / "artifacts" / "registration.json")["reason"]
        url = api.removesuffix("/api")
        page.goto(f"{url}/runs")
        page.get_by_text("retraining 20").first.click()
        page.get_by_text(reason).first.wait_for()
        page.get_by_text("Artifacts").first.click()
        page.get_by_text("Verdict and scores").first.wait_for()
        page.goto(f"{url}/artifacts/artifact/{artifact(api, 'result')}")
        page.get_by_text("The runs in MLflow").first.wait_for()
        shown = page.inner_text("body")
        assert "reports/report.html" in shown and "artifacts/data_docs/index.html" in shown
        assert reason in shown


def test_data_docs_say_the_verdict_and_ask_for_nothing(trained: Path) -> None:
    counts = read_json(trained / "artifacts" / "validation.json")["values"]
    address = (trained / "artifacts" / "data_docs" / "index.html").as_uri()
    with browser_page() as page:
        page.goto(address)
        verdict = page.inner_text(".verdict")
        assert verdict.startswith("passed: ")
        assert f"{counts['quarantined']:,} of {counts['measured']:,} values in quarantine" in verdict
        assert "None" not in page.inner_text("body") and page.asked == [address]


def test_dvcs_plots_are_drawn_and_ask_for_nothing(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace")
    run_in(workspace, "dvc", "plots", "show")
    listed = subprocess.run(["git", "status", "--porcelain"], cwd=workspace, capture_output=True, text=True, check=True)
    assert "dvc_plots" not in listed.stdout and "offline" not in listed.stdout
    address = (workspace / "dvc_plots" / "index.html").as_uri()
    with browser_page() as page:
        page.goto(address)
        page.locator("svg.marks").last.wait_for()
        assert page.locator("svg.marks").count() == 3
        assert [asked for asked in page.asked if not asked.startswith("data:")] == [address]
