"""Quarantine: seen, and taken back in by a recorded decision."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from workspaces import copy_workspace, run_in, set_params

from tidegate.measurements import frame as long_frame


def digests(workspace: Path) -> dict[str, str]:
    files = sorted(path for path in (workspace / "artifacts").rglob("*") if path.is_file())
    return {str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def validated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = copy_workspace(template, tmp_path_factory.mktemp("validated"))
    for verb in ("ingest", "validate"):
        invoke(workspace, verb)
    return workspace


@pytest.mark.slow
def test_what_is_held_back_is_listed_and_shown_with_its_rule(validated: Path) -> None:
    held = long_frame.read_frame(validated / "artifacts/quarantine.parquet")
    listed = invoke(validated, "quarantine", "list").stdout
    assert f"In quarantine: {len(held):,} values" in listed
    for rule in held["rule"].unique():
        assert rule in listed
    station = held["station"].iloc[0]
    shown = invoke(validated, "quarantine", "show", station).stdout
    assert f"{(held['station'] == station).sum():,} values" in shown
    nobody = invoke(validated, "quarantine", "show", "S99", check=False)
    assert nobody.returncode == 2 and "Nothing of station 'S99' is in quarantine" in nobody.stderr


@pytest.mark.slow
def test_a_release_takes_values_back_in_and_is_recorded_and_taking_it_out_undoes_it(validated: Path) -> None:
    before, params = digests(validated), (validated / "params.yaml").read_text()
    held = long_frame.read_frame(validated / "artifacts/quarantine.parquet")
    spikes = held[held["rule"] == "spike"]
    station = spikes["station"].iloc[0]
    words = ["quarantine", "release", "spike", "--station", station, "--because", "a foehn: its neighbours saw it"]
    printed = invoke(validated, *words).stdout
    count = int((spikes["station"] == station).sum())
    assert printed.startswith(f"{count} values are released")
    text = (validated / "params.yaml").read_text()
    assert "because: 'a foehn: its neighbours saw it'" in text and "# severity: fail | quarantine" in text
    invoke(validated, "validate")
    now = long_frame.read_frame(validated / "artifacts/quarantine.parquet")
    assert not ((now["rule"] == "spike") & (now["station"] == station)).any() and len(now) == len(held) - count
    clean = pd.read_parquet(validated / "artifacts/clean.parquet").set_index(["station", "time"])
    cell = spikes[spikes["station"] == station].iloc[0]
    assert clean.loc[(cell["station"], cell["time"]), cell["variable"]] == cell["value"]
    assert "Released: rule spike" in invoke(validated, "quarantine", "list").stdout
    (validated / "params.yaml").write_text(params)
    invoke(validated, "validate")
    assert digests(validated) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["superseded"], "What 'superseded' holds back cannot be released; known: sentinel, range, relation"),
        (["range", "--station", "S99"], "holds nothing like that"),
        (["spike", "--since", "yesterdays"], "'yesterdays' is not a time"),
    ],
)
def test_a_release_of_nothing_is_refused_and_nothing_is_written(
    validated: Path, words: list[str], printed: str
) -> None:
    before = (validated / "params.yaml").read_text()
    done = invoke(validated, "quarantine", "release", *words, "--because", "x", check=False)
    assert done.returncode == 2 and printed in done.stderr
    assert (validated / "params.yaml").read_text() == before


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_groups_of_stations_come_to_the_same_bytes_wherever_they_are_judged(
    validated: Path, tmp_path: Path, runner: str
) -> None:
    def made(runner: str) -> dict[str, str]:
        place = copy_workspace(validated, tmp_path / runner)
        set_params(place, {"runner": runner, "validate.group_rows": 2500})
        for words in (["ingest", "--anew"], ["validate"]):
            if runner == "none":
                invoke(place, *words)
            else:
                run_in(place, "tidegate", *words)
        invoke(place, "window")
        data = sorted(path for path in (place / "data").rglob("*") if path.is_file())
        return {**digests(place), **{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data}}

    assert made(runner) == made("none")
