"""Ingest: bring new rows from the source into data/.

Reads the source that params.yaml names. Writes data/: Parquet by month, and the values that others replaced.
Stops at a file or a row that cannot be read as described, and, if so told, at two rows that disagree.

Running it twice changes nothing. The new state of data/ is made whole beside the old one and then put in its
place, so a killed ingest leaves the old rows or the new ones, and never half of each.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate import frame as long_frame
from tidegate.artifacts import (
    DATA,
    INGEST_STATE,
    MEASUREMENTS,
    SERIES,
    SUPERSEDED,
    read_json,
    remove,
    write_json,
)
from tidegate.errors import DataError
from tidegate.frame import KEYS, STATION, TIME
from tidegate.parsing import digest
from tidegate.report import Report
from tidegate.settings import Settings
from tidegate.sources import Source, open_source

INCOMING, OUTGOING = DATA.with_name("data.incoming"), DATA.with_name("data.outgoing")


def is_current(settings: Settings) -> bool:
    """Say whether the source has nothing that data/ lacks."""
    _recover()
    return _last_state() == _state(settings, _source(settings))


def run(settings: Settings, report: Report, anew: bool = False) -> str:
    """Bring data/ up to date, or begin it `anew` from the source alone; give one line that says what came in."""
    _recover()
    source = _source(settings)
    state, last = _state(settings, source), _last_state()
    if state == last and not anew:
        return "nothing new at the source"
    series = {"series": digest(source.series())}
    begin = anew or not _continues(series, source)
    # Only an undisturbed data/, settled by the same rule, needs no more than the newest rows.
    known = not begin and {**last, "source": None} == {**state, "source": None}
    rows = source.read(_watermark(settings.ingest.overlap_hours) if known else None)
    if rows.empty and begin:
        raise DataError("The source gave no rows: correct ingest.options in params.yaml.")
    had_data = DATA.exists()
    remove(INCOMING)
    INCOMING.mkdir()
    if not begin:
        _link_tree(DATA, INCOMING)
    replaced = _merge(rows, list(settings.validate_.variables), settings.ingest.conflict, report)
    write_json(INCOMING / SERIES, series)
    _swap()
    write_json(INGEST_STATE, state)  # with the fingerprint taken before the rows were read
    note_data()
    return _summary(rows, replaced, begun_anew=begin and had_data)


def _source(settings: Settings) -> Source:
    return open_source(settings.ingest, list(settings.validate_.variables))


def _last_state() -> dict[str, Any]:
    return read_json(INGEST_STATE) if INGEST_STATE.exists() else {}


def _state(settings: Settings, source: Source) -> dict[str, Any]:
    """Say what an ingest depends on: the source, the rule, and data/ itself, which a hand may have touched."""
    return {
        "source": source.fingerprint(),
        "series": digest(source.series()),
        "conflict": settings.ingest.conflict,
        "data": _files(),
    }


def note_data() -> None:
    """Take note of data/ as it stands now, after an ingest, or after DVC has linked its files anew."""
    write_json(INGEST_STATE, {**_last_state(), "data": _files()})


def _files() -> dict[str, list[int]]:
    files = sorted(path for path in DATA.rglob("*") if path.is_file())
    return {path.as_posix(): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _continues(series: dict[str, str], source: Source) -> bool:
    """Say whether data/ holds rows of this very series, and none beyond the source's end."""
    if not (DATA / SERIES).exists() or read_json(DATA / SERIES) != series:
        return False
    end, newest = source.end(), _watermark(0)
    return end is None or newest is None or newest < end


def _watermark(overlap_hours: int) -> pd.Timestamp | None:
    """Give the newest stored time less the overlap in which late revisions are still looked for."""
    months = sorted((DATA / MEASUREMENTS).glob("*.parquet"))
    if not months:
        return None
    newest: pd.Timestamp = long_frame.read(months[-1])[TIME].max()
    return newest - pd.Timedelta(hours=overlap_hours)


def _merge(rows: pd.DataFrame, variables: list[str], conflict: str, report: Report) -> int:
    """Merge rows into the months of the incoming folder; count the values that others replaced."""
    replaced = 0
    months = rows.groupby(rows[TIME].dt.strftime("%Y-%m"), sort=True)
    for done, (month, new) in enumerate(months, start=1):
        path = INCOMING / MEASUREMENTS / f"{month}.parquet"
        merged = pd.concat([long_frame.read(path), new], ignore_index=True) if path.exists() else new
        standing, superseded = settle(merged, variables, conflict)
        if len(superseded):
            replaced += _keep_superseded(INCOMING / SUPERSEDED / f"{month}.parquet", superseded)
        long_frame.write(path, standing)
        report(done, len(months), str(month))
    return replaced


def settle(rows: pd.DataFrame, variables: list[str], conflict: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave one row for each (station, time), sorted; and give the values that had to yield.

    Rows come in the order in which they arrived. `conflict` says whether the `last` or the `first` value stands,
    cell by cell; a missing cell never replaces a value.

    Raises:
        DataError: two rows disagree and `conflict` is "refuse".
    """
    groups = rows.groupby(KEYS, sort=True)[variables]
    standing = (groups.first() if conflict == "first" else groups.last()).reset_index()
    twice = rows[rows.duplicated(KEYS, keep=False)]
    cells = twice.melt(KEYS, variables, "variable", "value").dropna(subset="value")
    kept = standing.melt(KEYS, variables, "variable", "standing")
    cells = cells.merge(kept, on=[*KEYS, "variable"])
    superseded = cells[cells["value"] != cells["standing"]].drop(columns="standing")
    if len(superseded) and conflict == "refuse":
        cell = superseded.iloc[0]
        raise DataError(
            f"Two rows for station {cell[STATION]} at {cell[TIME]} disagree about {cell['variable']}: "
            "correct one, or set ingest.conflict to last or first."
        )
    return standing, superseded.drop_duplicates().sort_values([*KEYS, "variable", "value"])


def _keep_superseded(path: Path, superseded: pd.DataFrame) -> int:
    known = long_frame.read(path) if path.exists() else superseded.iloc[:0]
    every = pd.concat([known, superseded], ignore_index=True).drop_duplicates()
    long_frame.write(path, every.sort_values([*KEYS, "variable", "value"]))
    return len(every) - len(known)


def _link_tree(source: Path, target: Path) -> None:
    """Take over the stored months without copying them: a merged month is written anew, never changed in place."""
    for path in source.rglob("*.parquet"):
        link = target / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)


def _swap() -> None:
    remove(OUTGOING)
    if DATA.exists():
        DATA.rename(OUTGOING)
    INCOMING.rename(DATA)
    remove(OUTGOING)


def _recover() -> None:
    """Undo a swap that was killed between its two renames."""
    if OUTGOING.exists() and not DATA.exists():
        OUTGOING.rename(DATA)


def _summary(rows: pd.DataFrame, replaced: int, begun_anew: bool) -> str:
    if rows.empty:
        return "nothing new at the source"
    copies = int(rows.duplicated().sum())
    text = f"{len(rows):,} rows of {rows[STATION].nunique()} stations up to {rows[TIME].max():%Y-%m-%d %H:%M} UTC"
    text += f", {copies} exact copies" if copies else ""
    text += f", {replaced} values superseded and kept" if replaced else ""
    return text + ("; another series than before, so data/ was begun anew" if begun_anew else "")
