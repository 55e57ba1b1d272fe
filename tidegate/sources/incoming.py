"""Staged pieces: what an ingest has read completely and not merged yet, as files by month.

An ingest that stops half-way finds them again, and continues with the first piece that is not staged.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidegate.measurements import frame as long_frame
from tidegate.measurements import parquet
from tidegate.measurements.versions import RowCounts
from tidegate.sources import Piece
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.params import digest
from tidegate.workspace.paths import INCOMING_ROWS, atomic_output, read_json, remove, write_json
from tidegate.workspace.progress import Progress

READ = "read.json"  # within a staged piece: its rows, newest time and notes
STALE_SECONDS = 24 * 3600
OUT_OF_ORDER = "steps back in time, put in order"
NOTHING_NEW = "nothing new at the source"


@dataclass(frozen=True)
class StagedPiece:
    """A piece that has been read completely: its rows as files by month, and its notes."""

    name: str
    is_immutable: bool
    folder: Path
    rows: int
    newest: str
    notes: dict[str, int]


def stage_pieces(
    pieces: Iterable[Piece], known: Collection[str], staging: Path, progress: Progress
) -> list[StagedPiece]:
    """Read and stage the pieces that are not known, except those that an earlier ingest has already staged."""
    if INCOMING_ROWS.exists():
        for folder in INCOMING_ROWS.iterdir():
            if folder != staging:  # of another source or watermark
                remove(folder)
    staged: list[StagedPiece] = []
    for number, piece in enumerate(pieces):
        name = digest(piece.name)
        if name in known:
            continue
        folder = staging / name
        if not _is_fresh(piece, folder / READ):
            with atomic_output(folder) as temporary_folder:
                temporary_folder.mkdir()
                write_json(temporary_folder / READ, _read(piece, temporary_folder))
        staged.append(StagedPiece(name, piece.is_immutable, folder, **read_json(folder / READ)))
        progress(number, number + 1, f"{sum(earlier.rows for earlier in staged):,} rows")
    return staged


def _is_fresh(piece: Piece, read: Path) -> bool:
    """Say whether a piece has been read completely, and recently if its content may change."""
    return read.exists() and (piece.is_immutable or time.time() - read.stat().st_mtime < STALE_SECONDS)


def _read(piece: Piece, folder: Path) -> dict[str, Any]:
    """Write the chunks of a piece as files, one per month, each sorted by station; give the counts and notes."""
    rows, newest, notes = 0, "", Counter[str]()
    latest = pd.Series(dtype="datetime64[us, UTC]")
    for number, chunk in enumerate(piece.read()):
        latest, backward_steps = _backward_steps(chunk, latest)
        if backward_steps and ARRIVED not in chunk:
            notes[OUT_OF_ORDER] += backward_steps
        for month, part in _by_month(chunk):
            path = folder / f"{month}.{number:06d}.parquet"
            long_frame.write_frame(path, part.sort_values(STATION, kind="stable"), parquet.ROW_GROUP)
        rows += len(chunk)
        newest = max(newest, str(chunk[TIME].max())) if len(chunk) else newest
    return {"rows": rows, "newest": newest, "notes": dict(notes + piece.notes)}


def _by_month(chunk: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    months = chunk[TIME].astype("int64").to_numpy().view("datetime64[us]").astype("datetime64[M]")
    for month in np.unique(months):
        yield str(month), chunk[months == month]


def _backward_steps(chunk: pd.DataFrame, latest: "pd.Series[Any]") -> tuple["pd.Series[Any]", int]:
    """Count the rows that are older than the row before them of the same station; give each station's last time, too.

    Args:
        chunk: a long frame.
        latest: the last time of each station in the chunks before.
    """
    by_station = chunk.groupby(STATION, sort=False)[TIME]
    before, newest = by_station.shift(), by_station.last()
    if len(latest):
        before = before.fillna(chunk[STATION].map(latest))
        newest = newest.combine_first(latest)
    return newest, int((chunk[TIME] < before).sum())


def files_by_month(pieces: Sequence[StagedPiece]) -> dict[str, list[Path]]:
    """Give the staged files by month, in the order in which their rows arrived."""
    files: dict[str, list[Path]] = {}
    for piece in pieces:
        for path in sorted(piece.folder.glob("*.parquet")):
            files.setdefault(path.name.split(".")[0], []).append(path)
    return files


def summary_of(pieces: Sequence[StagedPiece], counts: RowCounts) -> str:
    """Summarize in one line how the rows that were read were merged."""
    if not counts.read:
        return NOTHING_NEW
    files = [path for paths in files_by_month(pieces).values() for path in paths]
    newest = max(piece.newest for piece in pieces)[:16]
    text = f"{counts.read:,} rows of {len(parquet.rows_by_station(files))} stations up to {newest} UTC"
    text += f" = {counts.kept:,} kept + {counts.revisions:,} superseded, in quarantine + {counts.copies:,} identical"
    notes: Counter[str] = sum((Counter(piece.notes) for piece in pieces), Counter())
    return text + "".join(f"; {count:,} {note}" for note, count in sorted(notes.items()))
