"""The champion log: which version has borne an alias, since when, why, and who or what asked for it.

The log is kept as tags of the registered model, so that it is where the aliases are; a file in the workspace is its
copy, and is made again at will. Entries are only ever added:

    tidegate.log.000007.3f9a12    {"alias": "champion", "version": "3", "before": "2", "moment": …, "because": …}

An entry is written before its alias is set, and marked as done after: what was killed between is finished by the next
look at the log. An alias that is not what the log says was set by someone else, in MLflow's page say; that is entered.
"""

import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tidegate.tracking.log_entries import ALIASES, CHAMPION, PREFIX, Entry, last_of, read_entries, write_copy
from tidegate.tracking.registry import NOT_FOUND
from tidegate.tracking.store import tracking_client
from tidegate.workspace import clock

logger = logging.getLogger("tidegate")

REASON = "tidegate.decision.reason"  # tag of a version
SEEN = "found: it was set by other means than tidegate"
BEGUN = "found when the log was begun"


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
        for alias in ALIASES:
            log.agree(alias, str(dict(found.aliases).get(alias, "")))
        entries = log.entries
    write_copy(entries)
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
    write_copy(log.entries)
    return entry


def asked_by(command: str) -> str:
    """Say who asks, through which command."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"user {os.getuid()}"
    return f"{command}, by {user}"


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
        read = read_entries(tags)
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
        self.client.set_registered_model_tag(self.name, key, entry.as_text())
        self.stored[key] = entry


def _registered(client: MlflowClient, name: str) -> Any | None:
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code in NOT_FOUND:
            return None
        raise
