"""The entries of the champion log, as they are read from the tags of a registered model; without MLflow."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.workspace.paths import CHAMPION_LOG, atomic_output

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("tidegate")

ALIASES = CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
PREFIX = "tidegate.log."


@dataclass(frozen=True)
class Entry:
    """One move of an alias."""

    number: int
    alias: str
    version: str  # empty: the alias was taken away
    before: str  # the version that bore it; empty: none
    moment: str  # ISO 8601, UTC
    because: str
    by: str  # who or what asked
    done: bool = True

    @property
    def time(self) -> "pd.Timestamp":
        """Its moment."""
        import pandas as pd  # not needed to read the entries

        return pd.Timestamp(self.moment)

    def as_text(self) -> str:
        """Write it as it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_entries(tags: Mapping[str, str]) -> dict[str, Entry | None]:
    """Read the tags that are entries, the oldest first; None for one that cannot be read."""
    return {key: _read_entry(tags[key]) for key in sorted(tags) if key.startswith(PREFIX)}


def last_of(entries: list[Entry], alias: str) -> Entry | None:
    """Give the last entry of an alias."""
    return next((entry for entry in reversed(entries) if entry.alias == alias), None)


def write_copy(entries: list[Entry]) -> None:
    """Write the workspace's copy; what is not written now is written by the next look."""
    text = "".join(f"{entry.as_text()}\n" for entry in entries)
    try:
        if not CHAMPION_LOG.exists() or CHAMPION_LOG.read_text(encoding="utf-8", errors="replace") != text:
            with atomic_output(CHAMPION_LOG) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        logger.warning("%s, the copy of the champion log, cannot be written: %s", CHAMPION_LOG, error)


def _read_entry(text: str) -> Entry | None:
    """Read an entry, of a newer release too; None if it is none."""
    try:
        raw = json.loads(text)
        entry = Entry(**{field.name: raw[field.name] for field in fields(Entry) if field.name in raw})
        if datetime.fromisoformat(entry.moment).tzinfo is None or not isinstance(entry.number, int):
            return None
    except (ValueError, TypeError, AttributeError):
        return None
    return entry
