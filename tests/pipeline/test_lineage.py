"""From any part of the chain to all others."""

import json
from pathlib import Path

import pytest
from commands import invoke, refused
from workspaces import copy_workspace

from tidegate.tracking.store import open_client

pytestmark = pytest.mark.slow

KINDS = ["source", "data", "code", "gate", "windows", "run", "version", "alias", "alias", "forecasts", "verification"]


@pytest.fixture(scope="module")
def forecast(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with issued and verified forecasts."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("lineage") / "workspace", "logs", "cache")
    invoke(copy, "forecast", "--backfill", "2024-03-01", "2024-03-02")
    invoke(copy, "verify")
    return copy


@pytest.fixture
def here(forecast: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(forecast)
    return forecast


def chain(here: Path, reference: str) -> dict[str, dict[str, str]]:
    (links,) = json.loads(invoke(here, "lineage", reference, "--as", "json").stdout)
    return {link["kind"]: link for link in links}


def test_the_champion_s_chain_names_every_part(here: Path) -> None:
    (links,) = json.loads(invoke(here, "lineage", "champion", "--as", "json").stdout)
    assert [link["kind"] for link in links] == KINDS
    found = chain(here, "champion")
    tags = open_client().get_model_version("tidegate", "1").tags
    assert found["data"]["name"] == tags["tidegate.data"] and found["data"]["facts"] == "is in data/"
    assert found["code"]["name"] == tags["tidegate.commit"] and found["source"]["name"] == "simulated"
    assert "sentinel" in found["gate"]["facts"] and found["windows"]["name"] == "24 → 6 steps"
    assert "there was no champion" in found["version"]["facts"] and "mase" in found["run"]["facts"]
    assert "skill" in found["verification"]["facts"]


@pytest.mark.parametrize("part", ["version", "data", "code", "run"])
def test_each_part_leads_to_the_same_chain(here: Path, part: str) -> None:
    whole = chain(here, "champion")
    reference = "v1" if part == "version" else whole[part]["name"][:12]
    assert chain(here, reference) == whole


def test_a_forecast_leads_to_its_version_and_data(here: Path) -> None:
    found = chain(here, "S02@2024-03-01T07:00")
    assert found["forecast"]["name"] == "S02@2024-03-01T07:00"
    assert found["data"]["name"] in found["forecast"]["facts"] and "6 rows" in found["forecast"]["facts"]


def test_it_is_written_as_lines_and_as_a_diagram(here: Path) -> None:
    lines = invoke(here, "lineage", "1").stdout.strip().splitlines()
    assert [line.split()[0] for line in lines] == KINDS
    diagram = invoke(here, "lineage", "1", "--as", "mermaid").stdout.strip().splitlines()
    assert diagram[0] == "graph LR" and sum("-->" in line for line in diagram) == len(KINDS) - 1


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("nothing", "'nothing' is no version of tidegate (there are 1)"),
        ("7", "'7' is no version"),
        ("S09@2024-03-01", "No forecast of station S09 from 2024-03-01 00:00 UTC has been issued"),
        ("S01@noon", "a forecast is named STATION@ORIGIN"),
        ("S01@1999-01-01", "No forecast of station S01"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(here: Path, reference: str, says: str) -> None:
    assert says in refused(here, "lineage", reference)
