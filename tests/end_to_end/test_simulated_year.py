"""A simulated year, trained each week and forecast each hour; a sensor drifts, and the regime changes in autumn."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from networks import write_network
from workspaces import built_once, copy_workspace, keep_models, run_in, set_params

from tidegate.verification.issued import read_issued

pytestmark = [pytest.mark.slow, pytest.mark.long]

BEGIN, END, CHANGE = (pd.Timestamp(day, tz="UTC") for day in ("2024-04-01", "2025-03-31", "2024-10-01"))
WORDS = ("replay", "--from", "2024-04-01", "--to", "2025-03-31", "--every", "1w")
FOLDER = Path("replays/2024-04-01--2025-03-31--7d")
DELAY = pd.Timedelta(days=14)


@pytest.fixture(scope="module")
def year(shared: Path, template: Path) -> Path:
    """The workspace of the replay of a year."""

    def build(folder: Path) -> None:
        copy_workspace(template, folder)
        write_network(folder, 456, CHANGE)
        set_params(folder, {"register.shadow": "former"})
        keep_models(folder, "seasonal_naive", "linear")
        run_in(folder, "tidegate", "ingest")
        (folder / "transcript.txt").write_text(run_in(folder, "tidegate", *WORDS).stdout)

    return built_once(shared / "year", build) / FOLDER


def log_of(workspace: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (workspace / "champion_log.jsonl").read_text().splitlines()]


def champions(workspace: Path) -> list[dict[str, str]]:
    return [entry for entry in log_of(workspace) if entry["alias"] == "champion"]


def test_no_forecast_is_lost_or_doubled(year: Path) -> None:
    rows = pd.concat([read_issued(path) for path in year.glob("forecasts/*/*.parquet")])
    origins = pd.date_range(BEGIN + pd.Timedelta("1h"), END, freq="h")
    assert len(rows) == 3 * 6 * len(origins)
    assert not rows.duplicated(["station", "origin", "time", "variable"]).any()
    assert set(rows["origin"]) == set(origins)


def test_the_policy_asks_for_a_training_soon_after_the_change(year: Path) -> None:
    events = pd.read_csv(year / "events.csv", parse_dates=["day"])
    asked = events[events["because"] != "the schedule"]
    days = asked["day"].dt.tz_localize("UTC")
    assert ((days > CHANGE) & (days <= CHANGE + DELAY)).any()
    assert (days < CHANGE).sum() <= 1, "a false alarm a year is what is asked for at most"
    assert not asked["because"].duplicated().any(), "each cause asks once"


def test_every_move_of_an_alias_has_its_reason_and_who_asked(year: Path) -> None:
    log = log_of(year)
    assert all(entry["because"] for entry in log)
    assert {entry["by"] for entry in log} <= {"the stage register", "the policy of register.shadow"}
    assert len(champions(year)) > 1


def test_skill_comes_back_after_the_change(year: Path) -> None:
    periods = pd.read_csv(year / "replay.csv", parse_dates=["from"]).set_index("from")["skill"]
    before, after = periods[: CHANGE - pd.Timedelta(days=8)], periods[CHANGE : CHANGE + DELAY]
    assert before.median() > 0.5 and after.min() < 0.2
    assert periods.iloc[-4:].median() > after.min() + 0.3


def test_adapted_intervals_do_better_than_the_model_s_after_the_change(year: Path) -> None:
    periods = pd.read_csv(year / "replay.csv", parse_dates=["from"]).set_index("from")
    after = periods[CHANGE : CHANGE + pd.Timedelta(days=90)]
    assert (after["adapted_coverage"] - 0.9).abs().mean() < (after["coverage"] - 0.9).abs().mean()


def test_a_challenger_that_was_trained_on_shuffled_time_is_refused(year: Path, tmp_path: Path) -> None:
    copy = copy_workspace(year, tmp_path / "copy")
    held = champions(copy)
    for words in (("validate",), ("window",)):
        invoke(copy, *words)
    values = copy / "artifacts" / "windows" / "values.npy"
    whole = values.read_bytes()
    array = np.load(values)
    np.save(values, array[:, np.random.default_rng(0).permutation(array.shape[1])])
    invoke(copy, "train", "linear")
    values.write_bytes(whole)
    invoke(copy, "evaluate")
    said = invoke(copy, "register").stdout
    assert "none is registered" in said or "does not beat the champion" in said or "for want of evidence" in said
    assert champions(copy) == held


def test_a_broken_champion_is_rolled_back_and_forecasts_follow_at_once(year: Path, tmp_path: Path) -> None:
    copy = copy_workspace(year, tmp_path / "copy")
    reigned = {entry["version"] for entry in champions(copy)}
    events = pd.read_csv(copy / "events.csv", dtype={"version": str}).dropna(subset="version")
    good, broken = champions(copy)[-1]["version"], next(v for v in events["version"] if v not in reigned)
    invoke(copy, "promote", broken, "--because", "to see what happens")
    assert f"by version {broken} " in invoke(copy, "forecast").stdout
    invoke(copy, "rollback", "--because", "it is broken")
    assert champions(copy)[-1]["version"] == good and "it is broken" in champions(copy)[-1]["because"]
    assert f"by version {good} " in invoke(copy, "forecast").stdout


def test_the_workspace_around_it_is_as_it_was(year: Path) -> None:
    outer = year.parent.parent
    status = ["git", "status", "--short", "--untracked-files=no"]
    changed = subprocess.run(status, cwd=outer, capture_output=True, text=True, check=True).stdout.split()
    assert changed in ([], ["M", "data.dvc"]) and not (outer / "forecasts").exists()
