"""What an ingest has read and not merged yet: pieces of a source, each whole, as files by month.

An ingest that stops half-way finds them again, and goes on with the first piece that is not here.
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

READ = "read.json"  # within a staged piece: what was seen of it
STALE_SECONDS = 24 * 3600
OUT_OF_ORDER = "steps back in time, put in order"
NOTHING_NEW = "nothing new at the source"


@dataclass(frozen=True)
class StagedPiece:
    """A piece that has been read whole: its rows by month, as files, and what was noted of it."""

    name: str
    lasting: bool
    folder: Path
    rows: int
    newest: str
    notes: dict[str, int]


def stage_pieces(
    pieces: Iterable[Piece], known: Collection[str], staging: Path, progress: Progress
) -> list[StagedPiece]:
    """Read what is new, piece by piece; those that an earlier try has read whole are not read again."""
    if INCOMING_ROWS.exists():
        for other in INCOMING_ROWS.iterdir():  # of another source or watermark
            if other != staging:
                remove(other)
    found = []
    for place, piece in enumerate(pieces):
        name = digest(piece.name)
        if name in known:
            continue
        folder = staging / name
        if not _is_fresh(piece, folder / READ):
            with atomic_output(folder) as aside:
                aside.mkdir()
                write_json(aside / READ, _read(piece, aside))
        found.append(StagedPiece(name, piece.lasting, folder, **read_json(folder / READ)))
        progress(place, place + 1, f"{sum(one.rows for one in found):,} rows")
    return found


def _is_fresh(piece: Piece, read: Path) -> bool:
    """Say whether a piece has been read whole, and lately: what its name does not tell may have changed since."""
    return read.exists() and (piece.lasting or time.time() - read.stat().st_mtime < STALE_SECONDS)


def _read(piece: Piece, folder: Path) -> dict[str, Any]:
    """Write the chunks of a piece as files, one a month, each sorted by station; give what is noted of them."""
    rows, newest, noted = 0, "", Counter[str]()
    latest = pd.Series(dtype="datetime64[us, UTC]")
    for number, chunk in enumerate(piece.read()):
        latest, backward = _backward(chunk, latest)
        if backward and ARRIVED not in chunk:
            noted[OUT_OF_ORDER] += backward
        for month, part in _by_month(chunk):
            path = folder / f"{month}.{number:06d}.parquet"
            long_frame.write_frame(path, part.sort_values(STATION, kind="stable"), parquet.ROW_GROUP)
        rows += len(chunk)
        newest = max(newest, str(chunk[TIME].max())) if len(chunk) else newest
    return {"rows": rows, "newest": newest, "notes": dict(noted + piece.notes)}


def _by_month(chunk: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    month = chunk[TIME].astype("int64").to_numpy().view("datetime64[us]").astype("datetime64[M]")
    for each in np.unique(month):
        yield str(each), chunk[month == each]


def _backward(chunk: pd.DataFrame, latest: "pd.Series[Any]") -> tuple["pd.Series[Any]", int]:
    """Count the rows that are older than one of their station before them."""
    by_station = chunk.groupby(STATION, sort=False)[TIME]
    before, newest = by_station.shift(), by_station.last()
    if len(latest):
        before = before.fillna(chunk[STATION].map(latest))
        newest = newest.combine_first(latest)
    return newest, int((chunk[TIME] < before).sum())


def files_by_month(pieces: Sequence[StagedPiece]) -> dict[str, list[Path]]:
    """Give the staged files by month, in the order in which their rows came."""
    found: dict[str, list[Path]] = {}
    for piece in pieces:
        for path in sorted(piece.folder.glob("*.parquet")):
            found.setdefault(path.name.split(".")[0], []).append(path)
    return found


def summary_of(pieces: Sequence[StagedPiece], counts: RowCounts) -> str:
    """Say in one line what became of the rows that were read."""
    if not counts.read:
        return NOTHING_NEW
    files = [path for paths in files_by_month(pieces).values() for path in paths]
    newest = max(piece.newest for piece in pieces)[:16]
    text = f"{counts.read:,} rows of {len(parquet.rows_by_station(files))} stations up to {newest} UTC"
    text += f" = {counts.kept:,} kept + {counts.revisions:,} superseded, in quarantine + {counts.copies:,} identical"
    notes: Counter[str] = sum((Counter(piece.notes) for piece in pieces), Counter())
    return text + "".join(f"; {count:,} {note}" for note, count in sorted(notes.items()))
