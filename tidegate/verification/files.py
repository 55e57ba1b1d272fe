"""What verification has kept, read again: forecasts beside the truth, and their scores by day."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tidegate.errors import UserError
from tidegate.measurements import frame as long_frame
from tidegate.verification.places import DAYS, ROWS
from tidegate.workspace.paths import VERIFICATION


def read_days(version: str | None = None, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read the scores by day, of all versions or of one ("tidegate-v3"), from a day on.

    Raises:
        UserError: nothing has been verified.
    """
    files = sorted(VERIFICATION.glob(f"{version or '*'}/{DAYS}/*.parquet"))
    if not files:
        raise UserError("No forecast has been verified yet: tidegate verify compares them with what was measured.")
    days = pd.concat([long_frame.read_frame(path) for path in files], ignore_index=True)
    return days if since is None else days[days["day"] >= since.floor("D")]


def read_rows(
    version: str, columns: Sequence[str], since: pd.Timestamp | None = None, folder: Path = VERIFICATION
) -> pd.DataFrame:
    """Read columns of the verified rows of a version ("tidegate-v3"), from the month of a time on."""
    files = sorted((folder / version / ROWS).glob("*.parquet"))
    files = [path for path in files if since is None or path.stem >= f"{since:%Y-%m}"]
    if not files:
        return pd.DataFrame(columns=list(columns))
    return pd.concat([pq.read_table(path, columns=list(columns)).to_pandas() for path in files], ignore_index=True)
