"""The data gate: what it quarantines, what it lets pass, and when it closes."""

from pathlib import Path

import pandas as pd
import pytest
from workspaces import ROOT, set_params

from tidegate.errors import DataError, GateClosed
from tidegate.measurements import frame as long_frame
from tidegate.quality import findings
from tidegate.stages import validate
from tidegate.workspace import settings
from tidegate.workspace.columns import KEYS
from tidegate.workspace.paths import read_json
from tidegate.workspace.progress import no_progress

VARIABLES = {
    "x": {"unit": "m", "min": 0, "max": 50, "spike": 5, "stuck_steps": 3},
    "y": {"unit": "m"},
}
ALL = {"tolerance": 1.0}
TOLERANT: dict[str, dict[str, object]] = {
    **{name: {"severity": "quarantine", **ALL} for name in findings.CELL_RULES},
    "missing": {"severity": "fail", **ALL},
    "gap": {"severity": "fail", "steps": 999},
    "freshness": {"severity": "fail", "steps": 999},
}


def network(hours: int = 48) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC")
    parts = [
        pd.DataFrame({"station": name, "time": times, "x": [5.0 + hour % 7 for hour in range(hours)], "y": 1.0})
        for name in ("A", "B")
    ]
    return pd.concat(parts, ignore_index=True)


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: pd.DataFrame,
    rules: dict[str, dict[str, object]] | None = None,
    **changes: object,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    monkeypatch.chdir(folder)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(
        folder,
        {
            "dataset.variables": VARIABLES,
            "dataset.targets": ["x"],
            "dataset.covariates": [],
            "validate.rules": {name: {**rule, **(rules or {}).get(name, {})} for name, rule in TOLERANT.items()},
            **{key.replace("__", "."): value for key, value in changes.items()},
        },
    )
    long_frame.write_frame(Path("data/measurements/2024-01.parquet"), rows.sort_values(KEYS, ignore_index=True))
    validate.run(settings.load_settings(), no_progress)
    return long_frame.read_frame(Path("artifacts/clean.parquet")), long_frame.read_frame(
        Path("artifacts/quarantine.parquet")
    )


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
    moment = pd.Timestamp("2024-01-03T00:00Z")
    new = network().iloc[[0]].assign(arrived=moment)
    versions = pd.concat([new.assign(x=4.0, replaced=moment), new.assign(replaced=pd.NaT)], ignore_index=True)
    long_frame.write_frame(tmp_path / "data/revisions/2024-01.parquet", versions)
    clean, quarantine = run(tmp_path, monkeypatch, network())
    assert quarantine[["rule", "value", "replaced"]].to_numpy().tolist() == [["superseded", 4.0, moment]]
    assert clean.equals(network())


@pytest.mark.parametrize(
    ("rule", "key", "limit", "spoil", "words"),
    [
        (
            "missing",
            "tolerance",
            0.1,
            slice(4, 10),
            "missing: 6 rows of x at station B, a share of 0.125, from",
        ),
        (
            "gap",
            "steps",
            5,
            slice(10, 16),
            "x at station B has no value from 2024-01-01 09:00 to 2024-01-01 16:00",
        ),
        ("freshness", "steps", 2, slice(45, 48), "x at station B is silent from 2024-01-02 20:00 to 2024-01-02 23:00"),
    ],
)
def test_the_gate_closes_above_a_tolerance_and_names_the_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, key: str, limit: float, spoil: slice, words: str
) -> None:
    rows = network()
    hours = rows.index[rows["station"] == "B"][spoil]
    rows.loc[hours, "x"] = float("nan")
    if rule == "freshness":
        rows = rows.drop(hours)
    with pytest.raises(GateClosed) as caught:
        run(tmp_path, monkeypatch, rows, {rule: {key: limit}})
    assert words in str(caught.value) and f"raise validate.rules.{rule}.{key}" in str(caught.value)
    assert not Path("artifacts/clean.parquet").exists()
    assert Path("artifacts/quarantine.parquet").exists()
    assert Path("artifacts/data_docs/index.html").exists()
    assert set(pd.read_csv("artifacts/findings.csv")["rule"]) == {rule}
    run(tmp_path, monkeypatch, rows, {rule: {key: limit, "severity": "warn"}})
    assert Path("artifacts/clean.parquet").exists()


def test_the_gate_closes_when_too_many_cells_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    rows.loc[rows.index[rows["station"] == "A"][:6], "x"] = -999
    with pytest.raises(GateClosed, match="sentinel: 6 rows of x at station A, a share of"):
        run(tmp_path, monkeypatch, rows, {"sentinel": {"tolerance": 0.1}})


def test_two_rows_for_one_station_and_time_break_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    with pytest.raises(DataError, match="station A at 2024-01-01 00:00:00\\+00:00 stands twice"):
        run(tmp_path, monkeypatch, pd.concat([rows, rows.iloc[[0]]], ignore_index=True))


def test_one_station_alone_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    clean, _ = run(tmp_path, monkeypatch, rows[rows["station"] == "A"])
    assert len(clean) == 48


def test_no_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="run tidegate ingest first"):
        validate.run(settings.load_settings(ROOT / "params.yaml"), no_progress)


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
    assert b"values must not belong to this set" in pages[0]["index.html"]
    assert b"What was found" in pages[0]["index.html"]
    assert read_json(Path("artifacts/validation.json"))["quarantined"] == {"sentinel": 1}


def test_a_rule_that_only_warns_leaves_the_cell_to_those_that_hold_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = network()
    rows.loc[at(rows, "B", 10), "x"] = -999
    _, quarantine = run(tmp_path, monkeypatch, rows, {"sentinel": {"severity": "warn"}})
    assert quarantine["rule"].tolist() == ["range"]


def test_a_gap_is_reported_with_its_own_span_and_the_longest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = network(400)
    for first, length in ((50, 10), (200, 20)):
        start = at(rows, "B", first)
        rows.loc[start : start + length - 1, "x"] = float("nan")
    run(tmp_path, monkeypatch, rows, {"gap": {"severity": "warn", "steps": 5}})
    (row,) = pd.read_csv("artifacts/findings.csv").to_dict("records")
    assert (row["found"], row["from"], row["to"]) == (2, "2024-01-09 07:00", "2024-01-10 04:00")
    assert row["examples"].count(" to ") == 2


def test_a_station_all_between_the_steps_is_reported_and_the_others_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = network()
    rows.loc[rows["station"] == "B", "time"] += pd.Timedelta("7min")
    rows = pd.concat([rows, rows[rows["station"] == "A"].assign(station="C")])
    clean, quarantine = run(tmp_path, monkeypatch, rows, validate__group_rows=10)
    assert set(clean["station"]) == {"A", "C"} and set(quarantine["station"]) == {"B"}
    assert set(pd.read_csv("artifacts/findings.csv")["rule"]) == {"off_grid"}


def test_a_wrong_year_is_refused_with_its_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = network()
    rows.loc[at(rows, "B", 47), "time"] = pd.Timestamp("2124-01-01", tz="UTC")
    with pytest.raises(DataError, match="to 2124-01-01 00:00 at station B"):
        run(tmp_path, monkeypatch, rows)
