"""The data gate: what it quarantines, what it lets pass, and when it closes."""

from pathlib import Path

import pandas as pd
import pytest
from workspaces import ROOT, set_params

from tidegate import frame as long_frame
from tidegate import settings
from tidegate.artifacts import read_json
from tidegate.errors import DataError, GateClosed
from tidegate.frame import KEYS
from tidegate.report import silent
from tidegate.stages import validate

VARIABLES = {
    "x": {"unit": "m", "min": 0, "max": 50, "spike": 10, "stuck_steps": 3},
    "y": {"unit": "m"},
}
TOLERANT = {"quarantined_share": 1, "missing_share": 1, "longest_gap_steps": 999, "behind_steps": 999}


def network(hours: int = 48) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC")
    parts = [
        pd.DataFrame({"station": name, "time": times, "x": [5.0 + hour % 7 for hour in range(hours)], "y": 1.0})
        for name in ("A", "B")
    ]
    return pd.concat(parts, ignore_index=True)


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame, tolerance: dict[str, float] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    monkeypatch.chdir(folder)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(
        folder,
        {
            "validate.variables": VARIABLES,
            "validate.tolerance": {**TOLERANT, **(tolerance or {})},
            "window.targets": ["x"],
            "window.covariates": [],
        },
    )
    long_frame.write(Path("data/measurements/2024-01.parquet"), rows.sort_values(KEYS, ignore_index=True))
    validate.run(settings.load(), silent)
    return long_frame.read(Path("artifacts/clean.parquet")), long_frame.read(Path("artifacts/quarantine.parquet"))


def at(rows: pd.DataFrame, station: str, hour: int) -> int:
    return int(rows.index[(rows["station"] == station)][hour])


def test_clean_rows_pass_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, quarantine = run(tmp_path, monkeypatch, network())
    assert clean.equals(network())
    assert quarantine.empty


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("sentinel", {10: -999}),
        ("range", {10: 51}),
        ("range", {10: -0.1}),
        ("spike", {10: 30}),
        ("stuck", {10: 6, 11: 6, 12: 6, 13: 6}),
    ],
)
def test_a_bad_cell_becomes_missing_and_is_kept_in_quarantine_with_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, values: dict[int, float]
) -> None:
    rows = network()
    for hour, value in values.items():
        rows.loc[at(rows, "B", hour), "x"] = value
    clean, quarantine = run(tmp_path, monkeypatch, rows)
    bad = quarantine[quarantine["rule"] == rule]
    suspect = list(values)[1:] if rule == "stuck" else list(values)  # the first of a run was measured
    assert bad["time"].dt.hour.tolist() == suspect
    assert bad["value"].tolist() == [values[hour] for hour in suspect]
    assert (bad["station"] == "B").all() and (bad["variable"] == "x").all()
    assert len(quarantine) == len(bad) == clean["x"].isna().sum()
    assert clean["y"].notna().all()


def test_a_row_between_the_steps_goes_to_quarantine_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    extra = rows.iloc[[3]].assign(time=rows["time"].iloc[3] + pd.Timedelta("20min"))
    clean, quarantine = run(tmp_path, monkeypatch, pd.concat([rows, extra], ignore_index=True))
    assert quarantine["rule"].tolist() == ["off_grid", "off_grid"]
    assert clean.equals(network())


def test_superseded_values_stand_in_quarantine_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = network().iloc[[0]][KEYS].assign(variable="x", value=4.0)
    long_frame.write(tmp_path / "data/superseded/2024-01.parquet", old)
    clean, quarantine = run(tmp_path, monkeypatch, network())
    assert quarantine["rule"].tolist() == ["superseded"]
    assert clean.equals(network())


@pytest.mark.parametrize(
    ("tolerance", "spoil", "words"),
    [
        ({"missing_share": 0.1}, slice(0, 6), "missing_share of x at station B is 0.125, above 0.1"),
        ({"longest_gap_steps": 5}, slice(10, 16), "longest_gap_steps of x at station B is 6, above 5"),
        ({"behind_steps": 2}, slice(45, 48), "behind_steps of x at station B is 3, above 2"),
    ],
)
def test_the_gate_closes_above_a_tolerance_and_names_the_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tolerance: dict[str, float], spoil: slice, words: str
) -> None:
    rows = network()
    hours = rows.index[rows["station"] == "B"][spoil]
    rows.loc[hours, "x"] = float("nan")
    if "behind_steps" in tolerance:
        rows = rows.drop(hours)
    with pytest.raises(GateClosed) as caught:
        run(tmp_path, monkeypatch, rows, tolerance)
    assert words in str(caught.value) and "raise validate.tolerance." in str(caught.value)
    assert not Path("artifacts/clean.parquet").exists()
    assert Path("artifacts/quarantine.parquet").exists()
    assert Path("artifacts/data_docs/stations.html").exists()


def test_the_gate_closes_when_too_many_cells_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    rows.loc[rows.index[rows["station"] == "A"][:6], "x"] = -999
    with pytest.raises(GateClosed, match="quarantined_share of x at station A is"):
        run(tmp_path, monkeypatch, rows, {"quarantined_share": 0.1})


def test_two_rows_for_one_station_and_time_break_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    with pytest.raises(DataError, match="compound_columns_to_be_unique"):
        run(tmp_path, monkeypatch, pd.concat([rows, rows.iloc[[0]]], ignore_index=True))


def test_one_station_alone_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    clean, _ = run(tmp_path, monkeypatch, rows[rows["station"] == "A"])
    assert len(clean) == 48


def test_no_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="run tidegate ingest first"):
        validate.run(settings.load(ROOT / "params.yaml"), silent)


def test_the_same_rows_give_the_same_bytes_and_the_data_docs_name_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = network()
    rows.loc[3, "x"] = -999
    pages = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, monkeypatch, rows)
        pages.append({path.name: path.read_bytes() for path in Path("artifacts").rglob("*") if path.is_file()})
    assert pages[0] == pages[1]
    assert b"values must not belong to this set" in pages[0]["cells.html"]
    assert read_json(Path("artifacts/validation.json"))["quarantined"] == {"sentinel": 1}
