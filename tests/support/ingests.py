"""A data store in a folder: made, filled and looked at."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from workspaces import ROOT, TINY, set_params

from tidegate.measurements import frame as long_frame
from tidegate.workspace import settings
from tidegate.workspace.settings import Settings

ONE_VARIABLE = {
    "dataset.variables": {"x": {"unit": "m"}},
    "dataset.targets": ["x"],
    "dataset.covariates": [],
}


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> Settings:
    monkeypatch.chdir(folder)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(folder, {**TINY, **{key.replace("__", "."): value for key, value in changes.items()}})
    return settings.load_settings()


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def stored(folder: Path, kind: str = "measurements") -> pd.DataFrame:
    return pd.concat([long_frame.read_frame(path) for path in sorted((folder / "data" / kind).glob("*.parquet"))])


def staged(folder: Path) -> dict[Path, tuple[int, int]]:
    """Each piece that has been read whole, and when."""
    found = (folder / ".tidegate" / "incoming").glob("*/*/read.json")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def describe(workspace: Path, source: str, **options: object) -> None:
    set_params(workspace, {"dataset.source": source, "dataset.options": options, **ONE_VARIABLE})
