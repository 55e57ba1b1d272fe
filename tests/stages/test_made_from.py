"""The output of each stage bears the digests of what it was made from, from the registration back to the data."""

import json
from pathlib import Path

import pytest

from tidegate.workspace import identity
from tidegate.workspace.paths import MADE_FROM, read_json

pytestmark = pytest.mark.slow


def test_each_output_leads_to_what_it_was_made_from(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    artifacts = Path("artifacts")
    assert read_json(artifacts / "validation.json")["made_from"] == {"data": identity.data_hash()}
    assert f"md5: {identity.data_hash()}" in Path("data.dvc").read_text()
    windows = identity.folder_digest(artifacts / "windows")
    borne = {path: read_json(path) for path in sorted(artifacts.rglob(MADE_FROM))}
    for path in sorted(artifacts.glob("models/*")):
        assert borne[path / MADE_FROM] == {"artifacts/windows": windows}
    for name in ("evaluation", "diagnosis"):
        assert borne[artifacts / name / MADE_FROM]["artifacts/windows"] == windows
    borne[artifacts / "validation.json"] = {}
    borne[artifacts / "registration.json"] = json.loads(Path("artifacts/registration.json").read_text())["made_from"]
    for inputs in borne.values():
        assert inputs == identity.made_from(*map(Path, inputs))
    assert set(borne[artifacts / "windows" / MADE_FROM]) == {"artifacts/clean.parquet", "artifacts/quarantine.parquet"}
    assert "artifacts/evaluation" in borne[artifacts / "registration.json"]
