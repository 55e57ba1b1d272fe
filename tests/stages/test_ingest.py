"""data/: idempotent, incremental, atomic, and nothing lost."""

from pathlib import Path

import pandas as pd
import pytest
from ingests import hashes, make, stored

from tidegate.errors import DataError
from tidegate.measurements import frame as long_frame
from tidegate.measurements.versions import StoredRows, superseded
from tidegate.sources import open_source, plan
from tidegate.stages import ingest
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import Settings

HEADER = "station,time,x\n"


def from_files(folder: Path, monkeypatch: pytest.MonkeyPatch, conflict: str = "last", **options: object) -> Settings:
    return make(
        folder,
        monkeypatch,
        dataset__source="files",
        dataset__options={"paths": "in/*.csv", "station": "station", "time": "time", **options},
        ingest__conflict=conflict,
        dataset__variables={"x": {"unit": "m"}},
        dataset__targets=["x"],
        dataset__covariates=[],
    )


def write(folder: Path, rows: str, name: str = "a.csv") -> None:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text(HEADER + rows)


def test_data_hold_one_sorted_row_for_each_station_and_time_by_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.run(make(tmp_path, monkeypatch), no_progress)
    months = sorted(path.stem for path in (tmp_path / "data" / "measurements").glob("*.parquet"))
    assert months == ["2024-01", "2024-02", "2024-03"]
    for month in months:
        rows = long_frame.read_frame(tmp_path / "data" / "measurements" / f"{month}.parquet")
        assert rows["time"].dt.strftime("%Y-%m").eq(month).all()
        assert not rows.duplicated(["station", "time"]).any()
        assert rows.equals(rows.sort_values(["station", "time"], ignore_index=True))


def test_a_second_ingest_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = make(tmp_path, monkeypatch)
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    assert "nothing new" in ingest.run(chosen, no_progress)
    assert hashes(tmp_path) == before


def test_ingesting_step_by_step_gives_the_bytes_of_ingesting_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "once").mkdir()
    for end in ("2024-01-20T00:00:00Z", "2024-02-11T00:00:00Z", "2024-04-01T00:00:00Z"):
        ingest.run(make(tmp_path / "steps", monkeypatch, dataset__options__end=end), no_progress)
    ingest.run(make(tmp_path / "once", monkeypatch), no_progress)
    assert hashes(tmp_path / "steps") == hashes(tmp_path / "once")


def test_a_month_without_new_rows_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest.run(make(tmp_path, monkeypatch, dataset__options__end="2024-03-15T00:00:00Z"), no_progress)
    january = tmp_path / "data" / "measurements" / "2024-01.parquet"
    before = january.stat().st_ino
    ingest.run(make(tmp_path, monkeypatch), no_progress)
    assert january.stat().st_ino == before


def test_a_late_revision_stands_and_what_it_replaced_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = from_files(tmp_path, monkeypatch)
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T01:00Z,2\n")
    ingest.run(chosen, no_progress)
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T01:00Z,5\n")
    before = pd.Timestamp.now(tz="UTC").floor("s")
    assert "2 rows of 1 stations up to 2024-01-01 01:00 UTC = 0 kept + 1 superseded, in quarantine + 1 identical" in (
        ingest.run(chosen, no_progress)
    )
    assert stored(tmp_path)["x"].tolist() == [1.0, 5.0]
    versions = stored(tmp_path, "revisions")
    assert versions["x"].tolist() == [2.0, 5.0]
    assert versions["replaced"].iloc[0] >= before and pd.isna(versions["replaced"].iloc[1])
    write(tmp_path, "A,2024-01-01T01:00Z,5\n", "b.csv")
    ingest.run(chosen, no_progress)
    assert stored(tmp_path, "revisions").equals(versions)


@pytest.mark.parametrize(("conflict", "standing", "kept"), [("last", 2.0, 1.0), ("first", 1.0, 2.0)])
def test_of_two_rows_that_disagree_the_parameter_says_which_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conflict: str, standing: float, kept: float
) -> None:
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T00:00Z,2\n")
    ingest.run(from_files(tmp_path, monkeypatch, conflict), no_progress)
    assert stored(tmp_path)["x"].tolist() == [standing]
    versions = StoredRows(stored(tmp_path), stored(tmp_path, "revisions"), stored(tmp_path).iloc[:0])
    assert superseded(versions, ["x"])["value"].tolist() == [kept]


def test_two_rows_that_disagree_are_refused_if_so_asked_and_data_stay_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = from_files(tmp_path, monkeypatch, "refuse")
    write(tmp_path, "A,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T00:00Z,2\n")
    with pytest.raises(DataError, match="station A at 2024-01-01 00:00:00\\+00:00 disagree about x"):
        ingest.run(chosen, no_progress)
    assert hashes(tmp_path) == before


def test_a_missing_cell_never_replaces_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T00:00Z,NA\n")
    ingest.run(from_files(tmp_path, monkeypatch), no_progress)
    assert stored(tmp_path)["x"].tolist() == [1.0]


def test_another_series_begins_data_anew_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest.run(make(tmp_path, monkeypatch), no_progress)
    sentence = ingest.run(make(tmp_path, monkeypatch, dataset__options__seed=8), no_progress)
    assert "another series than before" in sentence
    other = stored(tmp_path)
    assert other["station"].nunique() == 3
    (tmp_path / "fresh").mkdir()
    ingest.run(make(tmp_path / "fresh", monkeypatch, dataset__options__seed=8), no_progress)
    assert hashes(tmp_path / "fresh") == hashes(tmp_path)


def test_a_month_deleted_by_hand_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = make(tmp_path, monkeypatch)
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    (tmp_path / "data" / "measurements" / "2024-01.parquet").unlink()
    assert not plan.is_current(chosen, open_source(chosen.dataset))
    ingest.run(chosen, no_progress)
    assert hashes(tmp_path) == before


def test_a_row_taken_out_of_the_source_stays_until_data_are_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = from_files(tmp_path, monkeypatch)
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2042-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    write(tmp_path, "A,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    assert len(stored(tmp_path)) == 2
    ingest.run(chosen, no_progress, anew=True)
    assert len(stored(tmp_path)) == 1


def test_a_simulated_span_that_ends_earlier_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest.run(make(tmp_path, monkeypatch), no_progress)
    ingest.run(make(tmp_path, monkeypatch, dataset__options__end="2024-02-01T00:00:00Z"), no_progress)
    assert stored(tmp_path)["time"].max() < pd.Timestamp("2024-02-01", tz="UTC")


def test_a_stricter_conflict_rule_is_applied_to_rows_read_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T00:00Z,2\n")
    ingest.run(from_files(tmp_path, monkeypatch), no_progress)
    with pytest.raises(DataError, match="disagree"):
        ingest.run(from_files(tmp_path, monkeypatch, "refuse"), no_progress)


def test_the_same_measurements_are_the_same_data_whatever_the_files_look_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = from_files(tmp_path, monkeypatch)
    write(tmp_path, "A,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    assert hashes(tmp_path) == before


def test_new_rows_are_kept_beside_what_passed_last_and_the_same_rows_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = from_files(tmp_path, monkeypatch)
    write(tmp_path, "A,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    long_frame.write_frame(tmp_path / "artifacts/profile.parquet", pd.DataFrame({"station": ["A"]}))
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    assert hashes(tmp_path) == before
    write(tmp_path, "A,2024-01-01T00:00Z,1\nA,2024-01-01T01:00Z,1\n")
    ingest.run(chosen, no_progress)
    assert long_frame.read_frame(tmp_path / "data/accepted.parquet")["station"].tolist() == ["A"]


def test_a_file_that_cannot_be_read_leaves_data_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = from_files(tmp_path, monkeypatch)
    write(tmp_path, "A,2024-01-01T00:00Z,1\n")
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    write(tmp_path, "A,2024-01-01T01:00Z,1\nA,soon,1\n")
    with pytest.raises(Exception, match="line 3"):
        ingest.run(chosen, no_progress)
    assert hashes(tmp_path) == before


def test_an_ingest_killed_between_its_two_renames_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = make(tmp_path, monkeypatch)
    ingest.run(chosen, no_progress)
    before = hashes(tmp_path)
    (tmp_path / "data").rename(tmp_path / "data.outgoing")
    assert plan.is_current(chosen, open_source(chosen.dataset))
    assert hashes(tmp_path) == before
