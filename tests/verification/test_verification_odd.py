"""Verification where data/, forecasts or what was kept are not as they were: nothing is lost, doubled or silent."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke, refused
from verifying import issue, kept, verified
from workspaces import copy_workspace, set_params

from tidegate.errors import DataError
from tidegate.measurements import frame as long_frame
from tidegate.verification.files import read_days
from tidegate.verification.summary import summary
from tidegate.workspace.paths import DATA, MEASUREMENTS, VERIFICATION, VERIFIED_STATE

pytestmark = pytest.mark.slow

FIRST, LAST = "2024-02-27", "2024-03-05"


@pytest.fixture(scope="module")
def issued(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a week of issued and verified forecasts, over the end of a month."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("odd") / "workspace", "logs", "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        issue(FIRST, LAST)
        verified()
    return copy


def rewrite(path: Path, rows: pd.DataFrame) -> None:
    path.unlink()  # other workspaces share the file
    long_frame.write_frame(path, rows)


def measured(month: str) -> tuple[Path, pd.DataFrame]:
    path = DATA / MEASUREMENTS / f"{month}.parquet"
    return path, long_frame.read_frame(path)


def test_a_change_of_what_only_the_naive_forecast_reads_is_a_change(here: Path) -> None:
    shutil.rmtree("forecasts/tidegate-v1")
    shutil.rmtree(VERIFICATION)
    issue("2024-03-01", "2024-03-02")
    verified()
    path, rows = measured("2024-02")
    rewrite(path, rows.assign(temperature=rows["temperature"] + 0.1))
    assert verified().months == ["tidegate-v1 2024-03"]
    files = kept()
    verified(since="2024-03-01")
    assert kept() == files


def test_an_outage_at_the_end_of_a_month_is_missing_once_later_months_are_measured(here: Path) -> None:
    shutil.rmtree("forecasts/tidegate-v1")
    shutil.rmtree(VERIFICATION)
    issue("2024-02-28", "2024-02-29T12:00")
    march, later = measured("2024-03")
    february, rows = measured("2024-02")
    rewrite(february, rows[rows["time"] < pd.Timestamp("2024-02-29T03:00Z")])
    march.unlink()
    verified()
    assert read_days()["missing"].sum() == 0, "it may still come"
    long_frame.write_frame(march, later)
    verified()
    days = read_days().query("issue == 'standing'")
    assert days["rows"].sum() == len(pd.read_parquet("forecasts/tidegate-v1")) and days["missing"].sum() > 200


def test_what_was_verified_stands_when_data_are_rebuilt_as_of_an_earlier_time(here: Path) -> None:
    files = kept()
    path, rows = measured("2024-03")
    rewrite(path, rows[rows["time"] < pd.Timestamp("2024-03-03T00:00Z")])
    done = verified()
    assert done.corrected == done.new == 0
    table = summary().set_index("issue").loc["standing"]
    rewrite(path, rows)
    verified()
    assert kept() == files
    assert summary().set_index("issue").loc["standing"].drop("missing").equals(table.drop("missing"))


def test_a_table_named_later_gets_what_was_verified_before(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_FORECASTS_URL", f"sqlite:///{here}/scores.db")
    assert len(verified().months) == 2
    stored = pd.read_sql("SELECT * FROM verification", f"sqlite:///{here}/scores.db")
    assert len(stored) == len(read_days())
    assert verified().months == []


@pytest.mark.parametrize("frequency", ["30min", "1D"])
def test_forecasts_of_other_steps_are_left_out_by_name(here: Path, frequency: str) -> None:
    files = kept()
    set_params(here, {"dataset.frequency": frequency, "dataset.season_steps": 7})
    done = verified()
    assert done.months == [] and "issued for other steps than dataset.frequency" in done.sentence
    assert kept() == files


def test_files_that_are_no_months_are_left_out_by_name(here: Path) -> None:
    files = kept()
    shutil.copy("forecasts/tidegate-v1/2024-03.parquet", "forecasts/tidegate-v1/2024-03.bak.parquet")
    done = verified()
    assert "2024-03.bak.parquet (no month is its name)" in done.sentence and kept() == files


def test_a_damaged_file_is_named_or_made_again(here: Path) -> None:
    files = kept()
    for path in VERIFICATION.rglob("*.parquet"):
        path.unlink()
        path.write_bytes(b"PAR1 damaged")
    VERIFIED_STATE.write_text("[]")
    verified()
    assert kept() == files
    path = Path("forecasts/tidegate-v1/2024-02.parquet")
    path.unlink()
    path.write_bytes(b"PAR1 damaged")
    assert "forecasts/tidegate-v1/2024-02.parquet is damaged" in refused(here, "verify")
    assert "forecasts/tidegate-v1/2024-02.parquet is damaged" in refused(
        here, "forecast", "--backfill", "2024-02-28", "2024-02-28"
    )
    data, _ = measured("2024-03")
    data.unlink()
    data.write_bytes(b"")
    Path("forecasts/tidegate-v1/2024-02.parquet").unlink()
    with pytest.raises(DataError, match=r"2024-03\.parquet"):
        verified(since="2024-03-01")


@pytest.mark.parametrize("state", ["[]", "null", "3", '{"tidegate-v1/2024-03.parquet": {}}', "{bad"])
def test_a_damaged_state_is_begun_anew(here: Path, state: str) -> None:
    files = kept()
    VERIFIED_STATE.write_text(state)
    assert verified().new == 0 and kept() == files


def test_a_file_without_rows_is_passed_over(here: Path) -> None:
    path = Path("forecasts/tidegate-v1/2024-02.parquet")
    rewrite(path, long_frame.read_frame(path).iloc[:0])
    assert verified().months == []


def test_the_table_has_the_skill_of_the_days(here: Path) -> None:
    path = next(VERIFICATION.rglob("days/2024-02.parquet"))
    rows = long_frame.read_frame(path)
    half = pd.Series(np.arange(len(rows)) % 2 == 0, rows.index)
    unknown = {name: rows[name].where(half) for name in ("compared_loss", "naive_loss", "skill")}
    rewrite(
        path, rows.assign(compared=rows["compared"].where(half, 0), loss=rows["loss"].where(half, 100.0), **unknown)
    )
    days = read_days(since=pd.Timestamp("2024-02-01T00:00Z")).query("issue == 'standing'")
    expected = 1 - np.average(days["compared_loss"].fillna(0), weights=days["compared"]) / np.average(
        days["naive_loss"].fillna(0), weights=days["compared"]
    )
    table = summary().set_index("issue").loc["standing"]
    assert table["skill"] == pytest.approx(expected) and table["loss"] > 10


def test_a_span_in_which_nothing_was_verified_is_said(here: Path) -> None:
    assert "has met its measurement yet" in invoke(here, "verify", "--since", "2030-01-01").stdout


def test_forecasts_whose_times_are_all_to_come_are_no_fault(here: Path) -> None:
    shutil.rmtree("forecasts/tidegate-v1")
    shutil.rmtree(VERIFICATION)
    invoke(here, "forecast")
    done = invoke(here, "verify").stdout
    assert "nothing to verify yet: the times of what was forecast are still to come" in done
    assert "No forecast of that span has met its measurement yet." in done
    assert "No forecast of version 1 has met its measurement yet" in refused(here, "watch")
    assert "none yet" in invoke(here, "lineage", "champion").stdout
