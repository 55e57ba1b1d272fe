"""The flow verification on a real Prefect server: it shows how the champion does, and asks for a retraining."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from servers import ask_prefect, free_ports, prefect_server
from workspaces import ROOT, copy_workspace, run_in

from tidegate.measurements import frame as long_frame

pytestmark = [pytest.mark.slow, pytest.mark.long]

FLOW = "from flows.verification import verification; verification()"


def _worse(days: pd.DataFrame, shift: int) -> pd.DataFrame:
    return days.assign(day=days["day"] + pd.Timedelta(days=shift), compared_loss=3 * days["compared_loss"])


@pytest.fixture
def worse(trained: Path, tmp_path: Path) -> Path:
    """A workspace whose champion's verified forecasts have become three times as wrong."""
    workspace = copy_workspace(trained, tmp_path / "workspace", "mlflow", "logs")
    (workspace / "mlflow").mkdir()
    run_in(workspace, "tidegate", "register")
    run_in(workspace, "tidegate", "forecast", "--backfill", "2024-03-05", "2024-03-10")
    run_in(workspace, "tidegate", "verify")
    (path,) = (workspace / "verification").rglob("days/*.parquet")
    days = long_frame.read_frame(path)
    later = [_worse(days, shift) for shift in range(6, 31, 6)]
    long_frame.write_frame(path, pd.concat([days, *later], ignore_index=True))
    return workspace


def retrainings(api: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask_prefect(api, "flow_runs/filter", {"flows": {"name": {"any_": ["retraining"]}}})
    return [run for run in found if not run["auto_scheduled"]]


def documented_automation() -> str:
    """The example of docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text()
    return text.partition("automation create --from-json '")[2].partition("'")[0].replace("\n", " ")


def test_a_lasting_change_asks_for_one_retraining_with_its_reason(worse: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with prefect_server(tmp_path / "prefect", port, PREFECT_HOME=str(tmp_path / "prefect")) as api:
        env = {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "prefect")}
        alone = run_in(worse, "python", "-c", FLOW, **env).stdout
        assert "There is no deployment retraining/retraining" in alone
        for pool in ("tidegate", "gpu"):
            run_in(worse, "python", "-m", "prefect", "work-pool", "create", pool, "--type", "process", **env)
        run_in(worse, "python", "-m", "prefect", "--no-prompt", "deploy", "--all", **env)
        create = ["-m", "prefect", "--no-prompt", "automation", "create", "--from-json", documented_automation()]
        run_in(worse, "python", *create, **env)
        first = run_in(worse, "python", "-c", FLOW, **env).stdout
        assert "A retraining is asked for: version 1, all stations, since 2024-03-" in first
        (run,) = retrainings(api)
        assert run["parameters"]["because"].startswith("version 1, all stations, since 2024-03-")
        second = run_in(worse, "python", "-c", FLOW, **env).stdout
        assert "retraining" not in second and len(retrainings(api)) == 1, "never twice for one cause"
        (worse / ".tidegate" / "watch.json").unlink()  # killed before it was remembered
        run_in(worse, "python", "-c", FLOW, **env)
        assert len(retrainings(api)) == 1
        shown = ask_prefect(api, "artifacts/filter", {"artifacts": {"key": {"any_": ["champion"]}}})
        assert "| all stations | skill |" in shown[0]["data"]
        emitted = ask_prefect(api, "events/filter", {"filter": {"event": {"name": ["tidegate.champion.changed"]}}})[
            "events"
        ]
        assert [event["payload"]["kind"] for event in emitted].count("skill") >= 1
        keys = [(event["payload"]["kind"], event["payload"]["station"]) for event in emitted]
        assert ("skill", "all stations") in keys
    page = (worse / "verification" / "watch.md").read_text()
    assert page.startswith("# Champion version 1") and "| all stations | skill |" in page
    assert "changed for the worse" in run_in(worse, "tidegate", "watch").stdout
