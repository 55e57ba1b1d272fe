"""Files as a source: written to a folder, and read as params.yaml would have them read."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from workspaces import REAL_DATA

from tidegate.sources import Source, open_source, read_all
from tidegate.workspace.columns import TIME
from tidegate.workspace.dataset import Dataset


def dataset(
    variables: tuple[str, ...] = ("x",), frequency: str = "1h", zone: str = "UTC", **options: object
) -> Dataset:
    """Settings of a dataset whose source is files."""
    return Dataset(
        source="files",
        options={"time": "time", **options},
        frequency=frequency,
        time_zone=zone,
        variables={name: {"unit": "m"} for name in variables},
        targets=variables[:1],
        season_steps=24,
    )


def source_of(folder: Path, **options: object) -> Source:
    """A source of all files in a folder; without other options, they name their stations in a column."""
    return open_source(dataset(**{"paths": str(folder / "*"), "station": "station", **options}))


def files(folder: Path, text: str | bytes, name: str = "a.csv", **options: object) -> pd.DataFrame:
    """What is read from a folder once a file is written to it."""
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_all(source_of(folder, **options))


def noted(source: Source) -> Counter[str]:
    """What is counted while a source's rows are read."""
    found = Counter[str]()
    for piece in source.pieces(None):
        list(piece.read())
        found += piece.notes
    return found


def times(rows: pd.DataFrame) -> list[str]:
    """The times of rows, as 27T00:00 in UTC."""
    return rows[TIME].dt.strftime("%dT%H:%M").tolist()


def real(path: str) -> str:
    """Where files of real data are; the test is skipped where they are not."""
    if not list(REAL_DATA.glob(path)):
        pytest.skip(f"{REAL_DATA / path} is not here")
    return str(REAL_DATA / path)
