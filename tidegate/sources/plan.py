"""What an ingest must do: read what is new, all of it, or nothing.

data/ notes what the source looked like at the last ingest. Where source, settings and data/ are as they were, there is
nothing to do; where data/ has been left alone, the newest rows are enough; else everything is read.
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

LAYOUT = 2  # of data/: rows as versions; another begins it anew


@dataclass(frozen=True)
class IngestPlan:
    """What an ingest must do."""

    state: dict[str, Any]  # of the source, the settings and data/ before anything is read
    is_current: bool  # nothing has changed since the last ingest
    same_series: bool  # data/ holds rows of this very series
    begin: bool  # data/ is begun anew
    since: pd.Timestamp | None  # ask the source for rows from then on; for all without it
    known_pieces: frozenset[str]  # names of pieces that need not be read again
    again: tuple[str, ...]  # months to settle anew, though they may have no new rows
    staging: Path  # where pieces are kept until they are merged


def plan_ingest(settings: Settings, source: Source, anew: bool = False) -> IngestPlan:
    """Compare source, settings and data/ with what the last ingest noted."""
    state, last = source_state(settings, source), last_state()
    series = series_digest(source)
    same_series = (DATA / SERIES).exists() and read_json(DATA / SERIES)["series"] == series
    begin = anew or not same_series or _is_beyond(source)
    # Only an undisturbed data/, settled by the same rule, needs no more than the newest rows.
    changing = {"source": None, "as_of": None}
    undisturbed = not begin and _same({**last, **changing}, {**state, **changing})
    since = _watermark(settings.ingest.overlap_hours) if undisturbed else None
    return IngestPlan(
        state=state,
        is_current=_same(state, last),
        same_series=same_series,
        begin=begin,
        since=since,
        known_pieces=frozenset(last.get("pieces", ())) if undisturbed else frozenset(),
        again=() if undisturbed and not last.get("as_of") else tuple(months.stored_months()),
        staging=INCOMING_ROWS / digest([{"series": series}, str(since), begin]),
    )


def series_digest(source: Source) -> str:
    """Name the series that a source's rows make."""
    return digest([LAYOUT, source.series()])


def source_state(settings: Settings, source: Source) -> dict[str, Any]:
    """Say what an ingest depends on: the source, the rule for conflicts, and data/ itself."""
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
    return _same(last_state(), source_state(settings, source))


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "pieces": None} == {**other, "pieces": None}


def _is_beyond(source: Source) -> bool:
    """Say whether data/ holds rows from beyond the source's end."""
    end, newest = source.end(), months.newest_time()
    return end is not None and newest is not None and newest >= end


def _watermark(overlap_hours: int) -> pd.Timestamp | None:
    """Give the newest stored time less the overlap in which late revisions are still looked for."""
    newest = months.newest_time()
    return None if newest is None else newest - pd.Timedelta(hours=overlap_hours)
