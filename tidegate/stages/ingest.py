"""Ingest: bring new rows from the source into data/.

Reads the source that params.yaml names. Writes data/: Parquet by month, with every version that was ever received
(tidegate/history.py says how). Stops at a file or a row that cannot be read as described, and, if so told, at two rows
that disagree.

Running it twice changes nothing. What has been read is staged piece by piece outside data/, so an ingest that stops
half-way goes on with the first piece it has not whole; then the new state of data/ is made whole beside the old one
and put in its place: a killed ingest leaves the old rows or the new ones, and never half of each.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate import frame as long_frame
from tidegate import history, months, parquet
from tidegate.artifacts import (
    ACCEPTED,
    DATA,
    INCOMING_ROWS,
    INGEST_STATE,
    LATER,
    MEASUREMENTS,
    PROFILE,
    REVISIONS,
    SERIES,
    read_json,
    remove,
    write_json,
)
from tidegate.errors import DataError
from tidegate.history import Books, Terms
from tidegate.incoming import Staged, by_month, stage
from tidegate.parsing import digest
from tidegate.report import Report
from tidegate.settings import Settings
from tidegate.sharing import in_pieces
from tidegate.sources import Source, open_source

LAYOUT = 2  # of data/: rows as versions; another begins it anew
INCOMING, OUTGOING = DATA.with_name("data.incoming"), DATA.with_name("data.outgoing")


def is_current(settings: Settings) -> bool:
    """Say whether the source has nothing that data/ lacks."""
    _recover()
    return _same(_last_state(), _state(settings, open_source(settings.dataset)))


def run(
    settings: Settings,
    report: Report,
    anew: bool = False,
    as_of: pd.Timestamp | None = None,
) -> str:
    """Bring data/ up to date; give one line that says what came in.

    Args:
        settings: of the workspace.
        report: hears of each piece that is read, and of each month that is written.
        anew: begin data/ anew, from the source alone.
        as_of: ask the source for nothing, and rebuild data/ as it was known then; the next ingest undoes it.

    Raises:
        DataError: the source gave no rows, or data/ has none as of that moment.
    """
    _recover()
    if as_of is not None:
        return _rebuild(settings, as_of, report)
    source = open_source(settings.dataset)
    state, last = _state(settings, source), _last_state()
    if _same(state, last) and not anew:
        return "nothing new at the source"
    series = {"series": _series(source)}
    same_series = (DATA / SERIES).exists() and read_json(DATA / SERIES)["series"] == series["series"]
    begin = anew or not same_series or _is_beyond(source)
    # Only an undisturbed data/, settled by the same rule, needs no more than the newest rows.
    asked = {"source": None, "as_of": None}
    undisturbed = not begin and _same({**last, **asked}, {**state, **asked})
    since = _watermark(settings.ingest.overlap_hours) if undisturbed else None
    known = set(last.get("pieces", ())) if undisturbed else set()
    staging = INCOMING_ROWS / digest([series, str(since), begin])
    pieces = stage(source.pieces(since), known, staging, report)
    if begin and not by_month(pieces):
        raise DataError("The source gave no rows: correct dataset.options in params.yaml.")
    terms = _terms(settings, None if begin else pd.Timestamp.now(tz="UTC").floor("s"))
    had_data = DATA.exists()
    again = [] if undisturbed and not last.get("as_of") else months.stored_months()
    books = _aside(lambda: _merge(pieces, terms, begin, again, report))
    if same_series and (books.kept or books.revisions):
        _keep_accepted()
    write_json(INCOMING / SERIES, series)
    summary = _summary(pieces, books)
    _swap()
    read = sorted(known | {piece.name for piece in pieces if piece.lasting})
    write_json(INGEST_STATE, {**state, "pieces": read})  # with the fingerprint taken before the rows were read
    note_data()
    remove(INCOMING_ROWS)
    return summary + ("; another series than before, so data/ was begun anew" if had_data and not same_series else "")


def _rebuild(settings: Settings, as_of: pd.Timestamp, report: Report) -> str:
    every = months.require()
    if read_json(DATA / SERIES)["series"] != _series(open_source(settings.dataset)):
        raise DataError("data/ is of another series than params.yaml describes: tidegate ingest brings them together.")
    terms = replace(_terms(settings, None), as_of=as_of)
    _aside(lambda: _merge([], terms, False, months.stored_months(), report))
    if not list((INCOMING / MEASUREMENTS).glob("*.parquet")):
        remove(INCOMING)
        raise DataError(f"Nothing in data/ was known as of {as_of}: its rows begin in {every[0]}.")
    write_json(INCOMING / SERIES, {**read_json(DATA / SERIES), "as_of": str(as_of)})
    _swap()
    write_json(INGEST_STATE, {**_last_state(), "as_of": str(as_of)})
    note_data()
    later = sum(len(long_frame.read(path)) for path in (DATA / LATER).glob("*.parquet"))
    return f"data/ is as it was known at {as_of:%Y-%m-%d %H:%M} UTC; {later:,} rows that came later are put by"


def _terms(settings: Settings, now: pd.Timestamp | None) -> Terms:
    return Terms(tuple(settings.dataset.variables), settings.ingest.conflict, now)


def _last_state() -> dict[str, Any]:
    return read_json(INGEST_STATE) if INGEST_STATE.exists() else {}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "pieces": None} == {**other, "pieces": None}


def _series(source: Source) -> str:
    return digest([LAYOUT, source.series()])


def _state(settings: Settings, source: Source) -> dict[str, Any]:
    """Say what an ingest depends on: the source, the rule, and data/ itself, which a hand may have touched."""
    return {
        "source": source.fingerprint(),
        "series": _series(source),
        "conflict": settings.ingest.conflict,
        "as_of": None,
        "data": _files(),
    }


def note_data() -> None:
    """Take note of data/ as it stands now, after an ingest, or after DVC has linked its files anew."""
    write_json(INGEST_STATE, {**_last_state(), "data": _files()})


def _files() -> dict[str, list[int]]:
    files = sorted(path for path in DATA.rglob("*") if path.is_file())
    return {path.as_posix(): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _is_beyond(source: Source) -> bool:
    """Say whether data/ holds rows from beyond the source's end."""
    end, newest = source.end(), months.newest()
    return end is not None and newest is not None and newest >= end


def _keep_accepted() -> None:
    """Keep beside the new rows what those were like that the gate let pass last: the new are held against them."""
    for path in (PROFILE, DATA / ACCEPTED):
        if path.exists():
            (INCOMING / ACCEPTED).unlink(missing_ok=True)
            shutil.copyfile(path, INCOMING / ACCEPTED)
            return


def _watermark(overlap_hours: int) -> pd.Timestamp | None:
    """Give the newest stored time less the overlap in which late revisions are still looked for."""
    newest = months.newest()
    return None if newest is None else newest - pd.Timedelta(hours=overlap_hours)


@dataclass(frozen=True)
class Month:
    """A month to be merged, wherever that is done."""

    name: str
    staged: tuple[Path, ...]
    terms: Terms
    stored: bool  # whether data/ is gone on with


def _aside(merge: Callable[[], Books]) -> Books:
    """Make the new state aside; leave nothing of it where that fails: on a full disk it would hold the room."""
    try:
        return merge()
    except BaseException:
        remove(INCOMING)
        raise


def _merge(pieces: list[Staged], terms: Terms, begin: bool, again: list[str], report: Report) -> Books:
    """Make the new state of data/ aside: months with new rows, and those to be settled `again`, are made anew."""
    staged = by_month(pieces)
    touched = sorted(set(staged) | set(again) if not begin else set(staged))
    remove(INCOMING)
    INCOMING.mkdir()
    if not begin:
        _link_tree(DATA, INCOMING)
    jobs = {name: Month(name, tuple(staged.get(name, ())), terms, not begin) for name in touched}
    books = Books()
    for done, found in enumerate(in_pieces(merge_month, jobs), start=1):
        books += found
        report(done, len(jobs), f"{books.read:,} rows merged")
    for kind in (REVISIONS, LATER):
        if (INCOMING / kind).exists() and not any((INCOMING / kind).iterdir()):
            (INCOMING / kind).rmdir()
    return books.balanced()


def merge_month(month: Month) -> Books:
    """Merge the staged rows of a month with the stored ones, a range of stations at a time."""
    variables = month.terms.variables
    folders = [DATA / kind / f"{month.name}.parquet" for kind in (MEASUREMENTS, LATER)] if month.stored else []
    counts = parquet.rows_of_stations([*(path for path in folders if path.exists()), *month.staged])
    plain, dated = months.schema(variables), months.schema(variables, history.REPLACED)
    books = Books()
    with (
        parquet.writing(INCOMING / MEASUREMENTS / f"{month.name}.parquet", plain) as standing,
        parquet.writing(INCOMING / REVISIONS / f"{month.name}.parquet", dated) as revisions,
        parquet.writing(INCOMING / LATER / f"{month.name}.parquet", plain) as later,
    ):
        for of in parquet.ranges(counts, parquet.BLOCK_ROWS):
            stored = months.read_stored(month.name, of, variables) if month.stored else months.nothing(variables)
            new = [parquet.read_range(path, of, plain) for path in month.staged]
            rows = pd.concat(new, ignore_index=True) if new else plain.empty_table().to_pandas()
            settled, found = history.merge(stored, rows, month.terms)
            books += found
            standing.add(settled.standing)
            revisions.add(settled.revisions)
            later.add(settled.later)
    return books


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


def _summary(pieces: list[Staged], books: Books) -> str:
    if not books.read:
        return "nothing new at the source"
    stations = len(parquet.rows_of_stations([path for paths in by_month(pieces).values() for path in paths]))
    newest = max(piece.newest for piece in pieces)[:16]
    text = f"{books.read:,} rows of {stations} stations up to {newest} UTC = {books.kept:,} kept"
    text += f" + {books.revisions:,} superseded, in quarantine + {books.copies:,} identical"
    notes: Counter[str] = sum((Counter(piece.notes) for piece in pieces), Counter())
    return text + "".join(f"; {count:,} {note}" for note, count in sorted(notes.items()))
