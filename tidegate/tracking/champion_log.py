"""The champion log: which version has borne an alias, since when, why, and who or what asked for it.

The log is kept as tags of the registered model, so that it is where the aliases are; a file in the workspace is its
copy, and is made again at will. Entries are only ever added:

    tidegate.log.000007.3f9a12    {"alias": "champion", "version": "3", "before": "2", "moment": …, "because": …}

An entry is written before its alias is set, and marked as done after: what was killed between is finished by the next
look at the log. An alias that is not what the log says was set by someone else, in MLflow's page say; that is entered.
"""

import json
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tidegate.tracking.registry import CHALLENGER, CHAMPION, NOT_FOUND, SHADOW
from tidegate.tracking.store import tracking_client
from tidegate.workspace import clock
from tidegate.workspace.paths import CHAMPION_LOG, atomic_output

logger = logging.getLogger("tidegate")

PREFIX = "tidegate.log."
REASON = "tidegate.decision.reason"  # tag of a version
SEEN = "found: it was set by other means than tidegate"
BEGUN = "found when the log was begun"


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
    def time(self) -> pd.Timestamp:
        """Its moment."""
        return pd.Timestamp(self.moment)


def look(name: str) -> list[Entry]:
    """Read the log of a registered model, oldest entry first, once it agrees with the aliases; write its copy.

    Raises:
        ServiceError: MLflow does not answer.
    """
    with tracking_client() as client:
        found = _registered(client, name)
        if found is None:
            return []
        log = _Log(client, name, dict(found.tags))
        for alias in (CHAMPION, CHALLENGER, SHADOW):
            log.agree(alias, str(dict(found.aliases).get(alias, "")))
        entries = log.entries
    _write_copy(entries)
    return entries


def move(name: str, alias: str, version: str, because: str, by: str) -> Entry:
    """Give an alias to a version, and enter it; a move that was entered before and not undone is not entered again.

    Args:
        name: of the registered model.
        alias: "champion", "challenger" or "shadow".
        version: its number; empty: the alias is taken away.
        because: the reason.
        by: who or what asks.
    """
    last = last_of(look(name), alias)
    if last is not None and last.version == version:
        return last
    with tracking_client() as client:
        log = _Log(client, name, dict(client.get_registered_model(name).tags))
        entry = log.add(alias, version, last.version if last else "", because, by, done=False)
        log.set_alias(alias, version)
        entry = log.confirm(entry)
    _write_copy(log.entries)
    return entry


def asked_by(command: str) -> str:
    """Say who asks, through which command."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"user {os.getuid()}"
    return f"{command}, by {user}"


def last_of(entries: list[Entry], alias: str) -> Entry | None:
    """Give the newest entry of an alias."""
    return next((entry for entry in reversed(entries) if entry.alias == alias), None)


def champion_at(entries: list[Entry], moment: pd.Timestamp) -> Entry | None:
    """Give the entry of the champion at a moment; None if there was none, or none is known."""
    past = [entry for entry in entries if entry.alias == CHAMPION and entry.time <= moment]
    return past[-1] if past and past[-1].version else None


def champions_before(entries: list[Entry]) -> list[str]:
    """List the versions that can be gone back to, the latest first: a version that was rolled back is none of them."""
    descent: list[str] = []
    for entry in entries:
        if entry.alias == CHAMPION and entry.version:
            if entry.version in descent:  # gone back to: what came after it is no ancestor
                descent = descent[: descent.index(entry.version)]
            descent.append(entry.version)
    return descent[-2::-1]


class _Log:
    """The tags of a registered model that are its log."""

    def __init__(self, client: MlflowClient, name: str, tags: Mapping[str, str]) -> None:
        self.client, self.name = client, name
        read = {key: _read_entry(tags[key]) for key in sorted(tags) if key.startswith(PREFIX)}
        self.stored = {key: entry for key, entry in read.items() if entry is not None}
        if damaged := [key for key, entry in read.items() if entry is None]:
            logger.warning("The champion log has entries that cannot be read: %s", ", ".join(damaged))

    @property
    def entries(self) -> list[Entry]:
        return list(self.stored.values())

    def agree(self, alias: str, version: str) -> None:
        """Finish what was begun, or enter what the log does not know, if an alias is at another version."""
        last = last_of(self.entries, alias)
        if last is not None and not last.done:
            if version == last.before and (not last.version or self._exists(last.version)):
                self.set_alias(alias, last.version)
                version = last.version
            if version == last.version:
                self.confirm(last)
                return
            self.forget(last)  # the alias never was there
            last = last_of(self.entries, alias)
        if version == (last.version if last else ""):
            return
        if last is not None:
            self.add(alias, version, last.version, SEEN, "unknown")
            return
        borne = self.client.get_model_version(self.name, version)  # by a release that kept no log
        reason = f"; it was registered because: {borne.tags[REASON]}" if REASON in borne.tags else ""
        registered = pd.Timestamp(borne.creation_timestamp, unit="ms", tz="UTC")
        self.add(alias, version, "", f"{BEGUN}; since its registration at the earliest{reason}", "unknown", registered)

    def set_alias(self, alias: str, version: str) -> None:
        """Give the alias to a version, or take it away."""
        if version:
            self.client.set_registered_model_alias(self.name, alias, version)
        else:
            self.client.delete_registered_model_alias(self.name, alias)

    def add(
        self,
        alias: str,
        version: str,
        before: str,
        because: str,
        by: str,
        moment: pd.Timestamp | None = None,
        done: bool = True,
    ) -> Entry:
        if moment is None:  # if the clock was set back, entries would stand in another order than they were made in
            moment = max([clock.now(), *(entry.time for entry in self.entries)])
        number = max([0, *(entry.number for entry in self.entries)]) + 1
        entry = Entry(number, alias, version, before, moment.isoformat(), because, by, done)
        self._store(f"{PREFIX}{number:06d}.{secrets.token_hex(3)}", entry)  # two at once never write the same tag
        return entry

    def confirm(self, entry: Entry) -> Entry:
        key = self._key(entry)
        self._store(key, replace(entry, done=True))
        return self.stored[key]

    def forget(self, entry: Entry) -> None:
        """Take out a move that never happened."""
        key = self._key(entry)
        self.client.delete_registered_model_tag(self.name, key)
        del self.stored[key]

    def _key(self, entry: Entry) -> str:
        return next(key for key, stored in self.stored.items() if stored == entry)

    def _exists(self, version: str) -> bool:
        try:
            self.client.get_model_version(self.name, version)
        except MlflowException as error:
            if error.error_code in NOT_FOUND:
                return False
            raise
        return True

    def _store(self, key: str, entry: Entry) -> None:
        self.client.set_registered_model_tag(self.name, key, json.dumps(asdict(entry), ensure_ascii=False))
        self.stored[key] = entry


def _write_copy(entries: list[Entry]) -> None:
    """Write the workspace's copy; what is not written now is written by the next look."""
    text = "".join(f"{json.dumps(asdict(entry), ensure_ascii=False)}\n" for entry in entries)
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
        if entry.time.tzinfo is None or not isinstance(entry.number, int):
            return None
    except (ValueError, TypeError, AttributeError):
        return None
    return entry


def _registered(client: MlflowClient, name: str) -> Any | None:
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code in NOT_FOUND:
            return None
        raise
