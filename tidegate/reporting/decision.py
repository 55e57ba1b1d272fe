"""What a run came to: the verdict in a sentence, the evidence for it, and what differs from the champion before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tidegate.tracking import champion_log, registry, results, runs
from tidegate.tracking.log_entries import CHAMPION, Entry, last_of
from tidegate.workspace.paths import FINDINGS, REGISTRATION, read_json
from tidegate.workspace.settings import Settings

CANDIDATE = "tidegate.candidate"


@dataclass(frozen=True)
class Verdict:
    """What came of a run, in a sentence, and whether that is as it should be."""

    sentence: str
    good: bool


def verdict(settings: Settings, stopped: str, stale: Sequence[str]) -> Verdict:
    """Say in one sentence what came of the last run, and who is champion.

    Args:
        settings: of the workspace.
        stopped: why the run has stopped, if it has.
        stale: stages that are not up to date.

    Raises:
        ServiceError: MLflow does not answer.
    """
    champion = registry.champion(settings.register_.name)
    named = f"version {champion.version} ({champion.tags.get(CANDIDATE, '?')})" if champion else ""
    stays = f"{named} stays champion" if champion else "there is no champion"
    if stopped:
        return Verdict(f"The run stopped, and {stays}: {stopped.rstrip('.')}.", False)
    if closing := closing_findings():
        return Verdict(f"The data gate is closed, and {stays}: {closing}.", False)
    if stale or not REGISTRATION.exists():
        more = f" and {len(stale) - 3} more" if len(stale) > 3 else ""
        since = (
            f"not up to date are {', '.join(stale[:3])}{more}" if stale else "no candidate has been decided about yet"
        )
        return Verdict(
            f"This is not the newest state, and {stays}: {since}; tidegate run brings them up to date.", False
        )
    decision = read_json(REGISTRATION)
    reason = decision["reason"]
    if champion is None:
        return Verdict(f"There is no champion: {reason}.", False)
    if str(decision["version"]) == str(champion.version):
        return Verdict(f"{decision['candidate']} is champion, as version {champion.version}: {reason}.", True)
    if decision["promoted"]:
        last = last_of(champion_log.look(champion.name), CHAMPION)
        return Verdict(f"{named} is champion: {last.because if last else 'it is not known why'}.", True)
    return Verdict(f"The champion stays, {named}: {reason}.", True)


def closing_findings() -> str:
    """Name the findings that close the data gate; empty if none does."""
    if not FINDINGS.exists():
        return ""
    findings = pd.read_csv(FINDINGS, dtype={"station": str})
    closing = findings[findings["closes"].astype(bool)] if "closes" in findings else findings.iloc[:0]
    named = [f"{row['rule']} at {row['station']}, {row['variable']}" for _, row in closing.head(3).iterrows()]
    more = f" and {len(closing) - 3} more" if len(closing) > 3 else ""
    return "; ".join(named) + more


def evidence() -> list[tuple[str, bool, str]]:
    """List what the last decision rests on: rule, whether it is met, figures."""
    found = read_json(REGISTRATION)["evidence"] if REGISTRATION.exists() else {}
    return [(rule, text.startswith("passed"), text.partition(": ")[2]) for rule, text in found.items()]


def champions(settings: Settings) -> list[Entry]:
    """List the moves of the alias champion, the newest first.

    Raises:
        ServiceError: MLflow does not answer.
    """
    entries = champion_log.look(settings.register_.name)
    return [entry for entry in reversed(entries) if entry.alias == CHAMPION]


def changes(settings: Settings, moves: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """List what differs between the champion and the one before: what, before, now; nothing without one before."""
    known = registry.version_numbers(settings.register_.name)
    if not moves or moves[0].version not in known or moves[0].before not in known:
        return []
    before, now = (_described(settings.register_.name, number) for number in (moves[0].before, moves[0].version))
    keys = dict.fromkeys([*before, *now])
    return [(key, before.get(key, "–"), now.get(key, "–")) for key in keys if before.get(key) != now.get(key)]


def _described(name: str, number: str) -> dict[str, str]:
    """Describe a version by what it was made of, and by its test scores."""
    version = registry.get_version(name, number)
    labels = {"candidate": "candidate", "data": "data", "commit": "commit", "seed": "seed"}
    parts = {label: version.tags.get(f"tidegate.{key}", "–")[:12] for key, label in labels.items()}
    run_id = runs.run_of_version(version)
    params: dict[str, Any] = {}
    scores: dict[str, float] = {}
    if run_id:
        params, scores, _ = results.described(run_id)
    shown = {f"test {key}": f"{scores[key]:.4g}" for key in ("mase", "mae", "coverage", "brier") if key in scores}
    return {"version": number, **parts, **shown, **{key: str(value) for key, value in params.items()}}
