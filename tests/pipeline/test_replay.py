"""A replay goes through the past as if it were now, in a workspace of its own, and ends in the same bytes if killed."""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke, refused
from networks import write_network
from workspaces import begun, built_once, copy_workspace, keep_models, run_in, set_params

from tidegate.forecasting.issue import issue_forecasts
from tidegate.pipeline import drive
from tidegate.verification.issued import read_issued
from tidegate.workspace.progress import no_progress

pytestmark = pytest.mark.slow

WORDS = ("replay", "--from", "2024-04-01", "--to", "2024-04-14", "--every", "1w")
FOLDER = Path("replays/2024-04-01--2024-04-14--7d")
LATE_UNTIL = pd.Timestamp(
    "2024-04-04", tz="UTC"
)  # the days from then on are forecast at once, those before by the hour
CHANGE = pd.Timestamp("2024-04-06", tz="UTC")  # of the regime


@pytest.fixture(scope="module")
def network(shared: Path, template: Path) -> Path:
    """A workspace with the measurements of a network, some of which came late, and cheap candidates."""

    def build(folder: Path) -> None:
        copy_workspace(template, folder)
        write_network(folder, 110, CHANGE, LATE_UNTIL)
        keep_models(folder, "seasonal_naive", "linear")
        run_in(folder, "tidegate", "ingest")

    return built_once(shared / "network", build)


@pytest.fixture(scope="module")
def replayed(shared: Path, network: Path) -> Path:
    """A workspace that has been replayed; tests leave it as it is."""

    def build(folder: Path) -> None:
        copy_workspace(network, folder)
        (folder / "transcript.txt").write_text(run_in(folder, "tidegate", *WORDS).stdout)

    return built_once(shared / "replayed", build)


def issued(workspace: Path) -> pd.DataFrame:
    return pd.concat([read_issued(path) for path in sorted((workspace / FOLDER / "forecasts").glob("*/*.parquet"))])


def results(workspace: Path) -> dict[str, bytes]:
    """The bytes of all that a replay has kept, but for the hashes of runs."""
    folder = workspace / FOLDER
    kept = [*folder.glob("forecasts/*/*"), *folder.glob("verification/*/*/*"), *folder.glob("*.csv")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in [*kept, folder / "champion_log.jsonl"]}


@pytest.mark.long
def test_every_origin_is_forecast_once_by_who_was_champion_then(replayed: Path) -> None:
    rows = issued(replayed)
    origins = pd.date_range("2024-04-01T01:00", "2024-04-14", freq="h", tz="UTC")
    assert set(rows["origin"].unique()) <= set(origins) and rows["origin"].nunique() > 0.99 * len(origins)
    assert not rows.duplicated(["station", "origin", "time", "variable"]).any()
    log = [json.loads(line) for line in (replayed / FOLDER / "champion_log.jsonl").read_text().splitlines()]
    champions = [entry for entry in log if entry["alias"] == "champion"]
    assert champions and all(entry["because"] and entry["by"] == "the stage register" for entry in log)
    assert {pd.Timestamp(entry["moment"]).hour for entry in log} == {0}
    for origin, version in rows.drop_duplicates("origin")[["origin", "version"]].itertuples(index=False):
        assert version == [e["version"] for e in champions if pd.Timestamp(e["moment"]) < origin][-1]


@pytest.mark.long
def test_a_change_of_regime_asks_for_a_training_within_nine_days(replayed: Path) -> None:
    events = pd.read_csv(replayed / FOLDER / "events.csv", parse_dates=["day"])
    asked = events[events["because"] != "the schedule"]
    assert len(asked) == 1 and "all stations, since 2024-04-0" in asked["because"].iloc[0]
    assert CHANGE < asked["day"].iloc[0].tz_localize("UTC") <= CHANGE + pd.Timedelta(days=9)
    assert asked["because"].iloc[0] in (replayed / "transcript.txt").read_text()


@pytest.mark.long
def test_it_says_what_came_of_it_and_draws_it(replayed: Path) -> None:
    said = (replayed / "transcript.txt").read_text()
    assert "2024-04-01  version 1 (linear) is champion: linear beats seasonal naive" in said
    assert "13 days; trained 3 times, 1 of them asked for by the policy" in said
    assert "train@" not in said  # a line a day is enough
    folder = replayed / FOLDER
    assert (folder / "replay.png").read_bytes()[:4] == b"\x89PNG" and f"{FOLDER}/replay.png" in said
    periods = pd.read_csv(folder / "replay.csv")
    assert (
        periods["from"].str[:10].tolist() == ["2024-04-01", "2024-04-08"] and periods["skill"].is_monotonic_decreasing
    )


@pytest.mark.long
def test_nothing_outside_its_folder_changes(replayed: Path, network: Path) -> None:
    for name in ("forecasts", "verification", "champion_log.jsonl", "artifacts", "mlflow/mlflow.db"):
        assert not (replayed / name).exists()
    assert (replayed / "data.dvc").read_bytes() == (network / "data.dvc").read_bytes()


@pytest.mark.long
def test_what_is_trained_is_what_was_known_then(replayed: Path) -> None:
    proof = json.loads((replayed / FOLDER / "artifacts" / "windows" / "proof.json").read_text())
    assert proof["test"]["targets_to"] == "2024-04-14 00:00:00+00:00"


@pytest.mark.long
def test_a_day_at_once_is_as_hour_by_hour(replayed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = []
    for name in ("at_once", "by_hour"):
        copy = copy_workspace(replayed / FOLDER, tmp_path / name, "forecasts", "verification")
        monkeypatch.chdir(copy)
        settings, hours = drive.checked_settings(), pd.date_range("2024-04-10T01:00", "2024-04-10T05:00", freq="h")
        if name == "at_once":
            issue_forecasts(settings, no_progress, None, (str(hours[0]), str(hours[-1])))
        else:
            for hour in hours:
                issue_forecasts(settings, no_progress, str(hour), None)
        frames.append(pd.concat([read_issued(path) for path in sorted(copy.glob("forecasts/*/*.parquet"))]))
    pd.testing.assert_frame_equal(*frames)


@pytest.mark.long
def test_a_finished_replay_begins_nothing_again(replayed: Path, tmp_path: Path) -> None:
    copy = copy_workspace(replayed, tmp_path / "copy")
    before = results(copy)
    assert "Going on in replays/" in run_in(copy, "tidegate", *WORDS).stdout
    told = json.loads(run_in(copy, "tidegate", *WORDS, "--json").stdout)
    assert results(copy) == before == results(replayed)
    assert told["folder"] == str(FOLDER) and told["trainings"][0]["promoted"] is True
    assert [row["from"][:10] for row in told["periods"]] == ["2024-04-01", "2024-04-08"]


@pytest.mark.long
def test_other_settings_are_refused_and_anew_begins_again(replayed: Path, tmp_path: Path) -> None:
    copy = copy_workspace(replayed, tmp_path / "copy")
    set_params(copy, {"models.linear.ridge": 0.5})
    assert "was begun with other code, settings or data" in refused(copy, *WORDS)
    assert (copy / FOLDER / "replay.csv").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "2024-03-02", "--every", "1h"), "--every is '1h': give days or weeks, such as 7d or 1w"),
        (("--from", "2024-03-02", "--every", "0d"), "--every is '0d'"),
        (("--from", "soon"), "'soon' is not a time"),
        (("--from", "2024-03-02", "--to", "2024-03-02T05"), "has no day: give a later --to"),
        (("--from", "2024-03-02", "--to", "2030-01-01"), "data/ ends at 2024-03-31 23:00 UTC"),
    ],
)
def test_a_span_that_cannot_be_replayed_is_refused(cheap: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused(cheap, "replay", *words)
    assert not (cheap / "replays").exists()


@pytest.mark.long
def test_a_begin_before_which_too_little_is_known_is_refused(cheap: Path, tmp_path: Path) -> None:
    copy = copy_workspace(cheap, tmp_path / "copy")
    done = run_in(copy, "tidegate", "replay", "--from", "2024-01-03", "--to", "2024-01-05", check=False)
    assert done.returncode == 2 and "At 2024-01-03, where the replay begins, nothing can be trained: " in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_repository_or_a_replay_it_is_refused(network: Path, tmp_path: Path) -> None:
    copy = copy_workspace(network, tmp_path / "copy", ".git")
    assert "make it a git repository first" in refused(copy, *WORDS, GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert "tidegate replay makes the workspace of a replay" in refused(copy, "replay-days")


def test_without_data_it_says_what_brings_them(template: Path, tmp_path: Path) -> None:
    copy = copy_workspace(template, tmp_path / "copy")
    shutil.rmtree(copy / "data", ignore_errors=True)
    assert "run tidegate ingest first" in invoke(copy, *WORDS, check=False).stderr


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.0, 0.4, 1.1])
def test_a_killed_replay_goes_on_to_the_same_bytes(
    replayed: Path, network: Path, tmp_path: Path, seconds: float
) -> None:
    copy = copy_workspace(network, tmp_path / "copy")
    state = copy / FOLDER / ".tidegate" / "replay.json"
    for day in ("2024-04-01", "2024-04-05", "2024-04-08", "2024-04-14"):
        process = begun(copy, "-m", "tidegate", *WORDS)
        while process.poll() is None and not (state.exists() and json.loads(state.read_text())["day"] >= day):
            time.sleep(0.02)
        time.sleep(seconds)
        kill_family(process)
    done = run_in(copy, "tidegate", *WORDS, check=False)
    if "delete dvc.lock, and run this again" in done.stderr:  # DVC was killed while it wrote it
        (copy / FOLDER / "dvc.lock").unlink()
        done = run_in(copy, "tidegate", *WORDS)
    assert done.returncode == 0 and "Going on" in done.stdout, done.stderr
    assert results(copy) == results(replayed)


def kill_family(process: "subprocess.Popen[str]") -> None:
    """Kill a process, and its children first."""
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
    for pid in [*map(int, listed.split()), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
