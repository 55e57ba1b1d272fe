"""Ingest: bring new rows from the source into data/.

Reads the source that params.yaml names. Writes data/: Parquet by month, with every version of a row that was ever
received (see tidegate/measurements/versions.py). Stops at a file or row that cannot be read as described, and, if
`ingest.conflict` is refuse, at two rows that disagree.

Running it twice changes nothing. Each piece of the source is stored outside data/ once it is read, so an ingest that
was interrupted continues with the first piece that was not read completely.
"""

import pandas as pd

from tidegate.errors import DataError
from tidegate.measurements import rewrite
from tidegate.measurements.versions import MergePolicy
from tidegate.sources import open_source, plan
from tidegate.sources.incoming import NOTHING_NEW, files_by_month, stage_pieces, summary_of
from tidegate.workspace.paths import DATA, INCOMING_ROWS, INGEST_STATE, SERIES, remove, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress, anew: bool = False, as_of: pd.Timestamp | None = None) -> str:
    """Bring data/ up to date; give one line that says what came in.

    Args:
        settings: of the workspace.
        progress: is called for each piece that is read, and for each month that is written.
        anew: rebuild data/ from the source alone.
        as_of: rebuild data/ as it was known at this time, without reading the source; the next ingest undoes it.

    Raises:
        DataError: the source has no rows, or data/ has none as of that time.
    """
    rewrite.recover()
    source = open_source(settings.dataset)
    if as_of is not None:
        return rewrite.rebuild(_policy(settings, as_of=as_of), plan.series_digest(source), progress)
    todo = plan.plan_ingest(settings, source, anew)
    if todo.is_current and not anew:
        return NOTHING_NEW
    pieces = stage_pieces(source.pieces(todo.since), todo.known_pieces, todo.staging, progress)
    if todo.begin and not files_by_month(pieces):
        raise DataError("The source gave no rows: correct dataset.options in params.yaml.")
    policy = _policy(settings, now=None if todo.begin else pd.Timestamp.now(tz="UTC").floor("s"))
    had_data = DATA.exists()
    counts = rewrite.build(files_by_month(pieces), policy, todo.begin, todo.again, progress)
    if todo.same_series and (counts.kept or counts.revisions):
        rewrite.keep_accepted_profile()
    write_json(rewrite.INCOMING / SERIES, {"series": todo.state["series"]})
    summary = summary_of(pieces, counts)
    rewrite.swap()
    known_pieces = sorted(todo.known_pieces | {piece.name for piece in pieces if piece.is_immutable})
    write_json(INGEST_STATE, {**todo.state, "pieces": known_pieces})
    rewrite.record_data_files()
    remove(INCOMING_ROWS)
    rebuilt = had_data and not todo.same_series
    return summary + ("; another series than before, so data/ was begun anew" if rebuilt else "")


def _policy(settings: Settings, now: pd.Timestamp | None = None, as_of: pd.Timestamp | None = None) -> MergePolicy:
    return MergePolicy(tuple(settings.dataset.variables), settings.ingest.conflict, now, as_of)
