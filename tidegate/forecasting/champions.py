"""Who is champion, who was, and decisions of a person about it: promote a version, or go back to the one before."""

import pandas as pd

from tidegate.errors import DataError, UserError
from tidegate.tracking import champion_log, registry
from tidegate.tracking.aliases import candidates_of
from tidegate.tracking.champion_log import Entry, asked_by, champion_at, champions_before
from tidegate.workspace.settings import Settings

DELETED = "deleted"  # in place of the candidate of a version that is no longer registered
LONGEST_REASON = 1000  # characters


def reigns(settings: Settings) -> pd.DataFrame:
    """List the champions, the present one last: version, candidate, from, until (NaT: still), because, by.

    Raises:
        ServiceError: MLflow does not answer.
    """
    name = settings.register_.name
    entries = [entry for entry in champion_log.look(name) if entry.alias == registry.CHAMPION]
    candidates = candidates_of(name)
    ends = [*(entry.time for entry in entries[1:]), pd.NaT][: len(entries)]
    rows = [
        {
            "version": entry.version,
            "candidate": candidates.get(entry.version, DELETED),
            "from": entry.time,
            "until": until,
            "because": entry.because,
            "by": entry.by,
        }
        for entry, until in zip(entries, ends, strict=True)
        if entry.version
    ]
    return pd.DataFrame(rows, columns=["version", "candidate", "from", "until", "because", "by"])


def champion_of(settings: Settings, moment: pd.Timestamp) -> str:
    """Say in a sentence which version was champion at a moment.

    Raises:
        UserError: none was, as far as the log reaches.
    """
    name = settings.register_.name
    entries = champion_log.look(name)
    entry = champion_at(entries, moment)
    if entry is None:
        first = min((entry.time for entry in entries if entry.alias == registry.CHAMPION), default=None)
        began = f": the log begins at {first:%Y-%m-%d %H:%M} UTC" if first is not None and first > moment else ""
        raise UserError(f"At {moment:%Y-%m-%d %H:%M} UTC no version of {name} is known to have been champion{began}.")
    candidate = candidates_of(name).get(entry.version, DELETED)
    return (
        f"At {moment:%Y-%m-%d %H:%M} UTC version {entry.version} ({candidate}) was champion, "
        f"since {entry.time:%Y-%m-%d %H:%M} UTC ({entry.by}): {entry.because}."
    )


def promote(settings: Settings, version: str, because: str, command: str = "tidegate promote") -> Entry:
    """Make a version champion by a person's decision.

    Raises:
        UserError: the version is unknown, is champion already, or no reason is given.
        DataError: its files are gone.
    """
    name, version = settings.register_.name, version.strip().lower().removeprefix("v")
    because = _reason(because)
    known = registry.version_numbers(name)
    if version not in known:
        listed = f"there are {', '.join(known)}" if known else "none is registered yet: tidegate run registers one"
        raise UserError(f"{name} has no version {version!r}; {listed}.")
    champion = registry.champion(name)
    if champion is not None and str(champion.version) == version:
        raise UserError(f"{name} version {version} is champion already.")
    _require_files(name, version)
    return champion_log.move(name, registry.CHAMPION, version, because, asked_by(command))


def rollback(settings: Settings, because: str | None) -> Entry:
    """Make the version champion again that was it before the present one.

    Raises:
        UserError: there is no champion, or none before it.
        DataError: the earlier one's files are gone.
    """
    name = settings.register_.name
    entries = champion_log.look(name)
    champion = registry.champion(name)
    if champion is None:
        raise UserError(registry.no_champion(name))
    known = registry.version_numbers(name)
    earlier = [version for version in champions_before(entries) if version in known and _has_files(name, version)]
    if not earlier:
        raise UserError(
            "No other version that could forecast has been champion before this one: there is nothing to go back to; "
            'tidegate promote VERSION --because "…" takes any.'
        )
    reason = f"version {champion.version} was rolled back" if because is None else because
    return promote(settings, earlier[0], reason, "tidegate rollback")


def _reason(because: str) -> str:
    """Check a reason, and give it in one line.

    Raises:
        UserError: there is none, or it is too long.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in because).split())
    if not text:
        raise UserError('Give the reason: --because "…". It stands in the champion log.')
    if len(text) > LONGEST_REASON:
        raise UserError(f"The reason has {len(text):,} characters: say it in {LONGEST_REASON:,}.")
    return text


def _has_files(name: str, version: str) -> bool:
    try:
        _require_files(name, version)
    except DataError:
        return False
    return True


def _require_files(name: str, version: str) -> None:
    try:
        registry.version_files(registry.get_version(name, version))
    except DataError as error:
        reason = str(error).partition(" (")[0]
        raise DataError(f"Version {version} cannot forecast: {reason}; choose another version.") from None
