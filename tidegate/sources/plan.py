"""The plan of an ingest: read the newest rows, all rows, or nothing.

The state of source, settings and data/ is recorded at the end of each ingest. If nothing has changed since, there is
nothing to do; if data/ and the settings are unchanged, the newest rows are enough; else everything is read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate.measurements import months
from tidegate.measurements.rewrite import data_files, last_state, recover
from tidegate.sources import Source
from tidegate.workspace.params import digest
from tidegate.workspace.paths import DATA, INCOMING_ROWS, SERIES, read_json
from tidegate.workspace.settings import Settings

LAYOUT = 2  # of data/: rows as versions; with another one, data/ is built from scratch


@dataclass(frozen=True)
class IngestPlan:
    """What an ingest has to read, and to rebuild."""

    state: dict[str, Any]  # of the source, the settings and data/ before anything is read
    is_current: bool  # nothing has changed since the last ingest
    same_series: bool  # data/ holds rows of this series
    begin: bool  # data/ is built from scratch
    since: pd.Timestamp | None  # the first time to request from the source; None requests all rows
    known_pieces: frozenset[str]  # names of pieces that need not be read again
    again: tuple[str, ...]  # months to merge again, even without new rows
    staging: Path  # the folder of pieces that are not merged yet


def plan_ingest(settings: Settings, source: Source, anew: bool = False) -> IngestPlan:
    """Compare source, settings and data/ with the state that the last ingest recorded."""
    state, last = source_state(settings, source), last_state()
    series = series_digest(source)
    same_series = (DATA / SERIES).exists() and read_json(DATA / SERIES)["series"] == series
    begin = anew or not same_series or _has_rows_past_end(source)
    # The newest rows are enough only if data/ is unchanged and the rule for conflicts is the same.
    ignored = {"source": None, "as_of": None}
    unchanged = not begin and _is_same_state({**last, **ignored}, {**state, **ignored})
    since = _watermark(settings.ingest.overlap_hours) if unchanged else None
    return IngestPlan(
        state=state,
        is_current=_is_same_state(state, last),
        same_series=same_series,
        begin=begin,
        since=since,
        known_pieces=frozenset(last.get("pieces", ())) if unchanged else frozenset(),
        again=() if unchanged and not last.get("as_of") else tuple(months.stored_months()),
        staging=INCOMING_ROWS / digest([{"series": series}, str(since), begin]),
    )


def series_digest(source: Source) -> str:
    """Give a digest that identifies the series of a source's rows."""
    return digest([LAYOUT, source.series()])


def source_state(settings: Settings, source: Source) -> dict[str, Any]:
    """Give the state that an ingest depends on: of the source, of the rule for conflicts, and of data/."""
    return {
        "source": source.fingerprint(),
        "series": series_digest(source),
        "conflict": settings.ingest.conflict,
        "as_of": None,
        "data": data_files(),
    }


def is_current(settings: Settings, source: Source) -> bool:
    """Say whether the source has nothing that data/ lacks."""
    recover()
    return _is_same_state(last_state(), source_state(settings, source))


def _is_same_state(state: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**state, "pieces": None} == {**other, "pieces": None}


def _has_rows_past_end(source: Source) -> bool:
    """Say whether data/ holds rows that are not before the end of the source."""
    end, newest = source.end(), months.newest_time()
    return end is not None and newest is not None and newest >= end


def _watermark(overlap_hours: int) -> pd.Timestamp | None:
    """Give the newest stored time minus the overlap, in which late revisions are read."""
    newest = months.newest_time()
    return None if newest is None else newest - pd.Timedelta(hours=overlap_hours)
