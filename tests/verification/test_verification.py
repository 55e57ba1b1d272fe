"""Issued forecasts are verified from data/ as measurements come, each month again only when its inputs have changed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke, refused
from servers import postgres
from sqlalchemy import create_engine
from verifying import issue, kept, verified
from workspaces import copy_workspace

from tidegate.errors import UserError
from tidegate.forecasting.issue import issue_forecasts
from tidegate.measurements import frame as long_frame
from tidegate.pipeline import drive
from tidegate.verification import verify as verify_module
from tidegate.verification.files import read_days
from tidegate.verification.summary import summary
from tidegate.workspace.paths import DATA, MEASUREMENTS, VERIFICATION, VERIFIED_STATE
from tidegate.workspace.progress import no_progress

pytestmark = pytest.mark.slow

FIRST, LAST = "2024-02-27", "2024-03-05"
HOUR = pd.Timedelta("1h")


@pytest.fixture(scope="module")
def issued(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a week of issued forecasts, over the end of a month."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("issued") / "workspace", "logs", "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        issue(FIRST, LAST)
    return copy


def change(month: str, station: str, time: str, value: float | None = None, by: float | None = None) -> float:
    """Replace a temperature in data/, as a late revision would; give the new one."""
    path = DATA / MEASUREMENTS / f"{month}.parquet"
    rows = long_frame.read_frame(path)
    at = (rows["station"] == station) & (rows["time"] == pd.Timestamp(time, tz="UTC"))
    assert at.any()
    value = value if by is None else float(rows.loc[at, "temperature"].iloc[0]) + by
    path.unlink()  # DVC's cache holds the same file
    long_frame.write_frame(path, rows.assign(temperature=rows["temperature"].mask(at, value)))
    return float("nan") if value is None else value


def test_each_forecast_is_compared_once_and_again_only_after_a_change(here: Path) -> None:
    first = verified()
    assert first.months == ["tidegate-v1 2024-02", "tidegate-v1 2024-03"] and first.new == first.rows > 2000
    files = kept()
    assert len(files) == 4
    assert verified().months == [] and "nothing new" in verified().sentence
    for path in (DATA / MEASUREMENTS).glob("*.parquet"):
        path.touch()
    assert verified().months == [], "a file that was written anew with the same content is no change"
    again = verified(since="2024-03-15")
    assert again.months == ["tidegate-v1 2024-03"] and again.new == again.corrected == 0
    assert kept() == files


def test_a_correction_changes_the_months_that_it_concerns_and_says_so(here: Path) -> None:
    verified()
    value = change("2024-03", "S01", "2024-03-01 01:00", by=0.25)
    corrected = verified()
    assert corrected.months == ["tidegate-v1 2024-02", "tidegate-v1 2024-03"], "both reach into that hour"
    assert corrected.corrected == 6 and corrected.new == 0
    assert "the truth of 6 has been corrected since" in corrected.sentence
    rows = pd.concat(long_frame.read_frame(path) for path in VERIFICATION.glob("*/rows/*.parquet"))
    assert rows.loc[rows["corrected"] == 1, "truth"].tolist() == [value] * 6
    assert read_days()["corrected"].sum() == 12  # of both issues


def test_what_is_measured_long_after_a_month_is_no_reason_to_compare_it_again(here: Path) -> None:
    verified()
    change("2024-03", "S01", "2024-03-06 01:00", by=0.25)
    assert verified().months == ["tidegate-v1 2024-03"]


def test_what_the_gate_holds_back_is_no_truth_and_is_counted(here: Path) -> None:
    change("2024-03", "S02", "2024-03-02 12:00", 54.0)  # within the limits, and a spike
    change("2024-03", "S02", "2024-03-02 18:00", -999.0)
    change("2024-03", "S02", "2024-03-03 12:00", None)
    verified()
    rows = long_frame.read_frame(next(VERIFICATION.glob("*/rows/2024-03.parquet")))
    of_station = rows[rows["station"] == "S02"].set_index("time")
    assert set(of_station.loc[pd.Timestamp("2024-03-02 12:00", tz="UTC"), "rule"]) == {"spike"}
    assert set(of_station.loc[pd.Timestamp("2024-03-02 18:00", tz="UTC"), "rule"]) == {"sentinel"}
    assert set(of_station.loc[pd.Timestamp("2024-03-03 12:00", tz="UTC"), "status"]) == {"missing"}
    table = summary().set_index("issue").loc["standing"]
    assert table["quarantined"] >= 12 and table["missing"] >= 6
    assert table["verified"] + table["missing"] + table["quarantined"] == table["rows"]


def test_times_that_are_still_to_come_wait(here: Path) -> None:
    issue_forecasts(drive.checked_settings(), no_progress, None, None)  # from the newest step
    last = pd.concat(long_frame.read_frame(path) for path in Path("forecasts").rglob("2024-03.parquet"))
    verified()
    rows = long_frame.read_frame(next(VERIFICATION.glob("*/rows/2024-03.parquet")))
    newest = pd.concat(long_frame.read_frame(path) for path in (DATA / MEASUREMENTS).glob("*"))["time"].max()
    assert rows["time"].max() <= newest < last["time"].max()


@pytest.mark.parametrize("writes", range(1, 7))
def test_killed_between_any_two_writes_the_next_call_ends_in_the_same_bytes(
    here: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    verified()
    whole, state = kept(), VERIFIED_STATE.read_bytes()
    shutil.rmtree(VERIFICATION)
    VERIFIED_STATE.unlink()
    done = []

    def dying(write: object) -> object:
        def call(*arguments: object) -> None:
            write(*arguments)  # type: ignore[operator]
            done.append(1)
            if len(done) == writes:
                raise KeyboardInterrupt

        return call

    with monkeypatch.context() as patch:
        patch.setattr(verify_module.long_frame, "write_frame", dying(long_frame.write_frame))
        patch.setattr(verify_module, "write_json", dying(verify_module.write_json))
        with pytest.raises(KeyboardInterrupt):
            verified()
    verified()
    assert kept() == whole and VERIFIED_STATE.read_bytes() == state


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database: a file, or a real PostgreSQL server on loopback."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/scores.db"
        return
    with postgres() as address:
        yield f"postgresql+psycopg2://{address}/postgres"


def test_a_table_holds_each_day_once_as_it_stands(here: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_FORECASTS_URL", database)
    verified()
    change("2024-03", "S01", "2024-03-01 01:00", by=0.25)
    assert verified().database is not None
    stored = pd.read_sql("SELECT * FROM verification", create_engine(database))
    days = read_days()
    assert len(stored) == len(days) and stored["corrected"].sum() == days["corrected"].sum() == 12
    assert stored["loss"].sum() == pytest.approx(days["loss"].sum())


def test_the_command_tabulates_and_refuses_in_one_sentence(here: Path, tmp_path: Path) -> None:
    out = invoke(here, "verify").stdout
    assert "forecasts verified" in out and "skill" in out
    assert "S01" in invoke(here, "verify", "--by", "station").stdout
    assert "2024-02-28" in invoke(here, "verify", "--by", "day").stdout
    assert "'noon' is not a time" in refused(here, "verify", "--since", "noon")
    shutil.rmtree("forecasts")
    assert "No forecast has been issued yet" in refused(here, "verify")


def test_a_version_of_a_variable_that_is_gone_is_left_out_by_name(here: Path) -> None:
    path = next(Path("forecasts").rglob("2024-02.parquet"))
    rows = long_frame.read_frame(path).assign(variable="level")
    path.unlink()
    long_frame.write_frame(path, rows)
    done = verified()
    assert done.months == ["tidegate-v1 2024-03"]
    assert "left out: tidegate-v1/2024-02.parquet (level, which dataset.variables no longer names)" in done.sentence


def test_without_a_verified_forecast_there_is_one_sentence(here: Path) -> None:
    with pytest.raises(UserError, match="No forecast has been verified yet"):
        read_days()


def test_what_was_verified_moves_the_quantiles_of_later_forecasts_and_their_coverage_is_kept(here: Path) -> None:
    verified()
    issue("2024-03-06", "2024-03-07")
    rows = pd.read_parquet("forecasts/tidegate-v1").query("method == 'model'")
    later = rows["origin"] > pd.Timestamp(LAST, tz="UTC")
    moved = (rows["adapted_q0.95"] != rows["q0.95"]) | (rows["adapted_q0.05"] != rows["q0.05"])
    assert not moved[~later].any() and moved[later].mean() > 0.9
    verified()
    days = read_days()
    assert days["adapted_coverage"].notna().any() and (days["adapted_intervals"] > 0).any()
    assert "adapted" in invoke(here, "verify").stdout
