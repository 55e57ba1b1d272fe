"""Where a number comes from, and what came of it: from any part of the chain to all others.

    source → data → gate → windows → run → version → aliases → forecasts → verification

A reference is the number of a version, "champion", the id of a run, the beginning of a hash of data or of a commit, or
a forecast: S01@2025-03-01T06:00, station and origin in UTC.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.errors import DataError, UserError
from tidegate.tracking import champion_log, registry, results, runs
from tidegate.tracking.registry import no_champion
from tidegate.verification.summary import summary
from tidegate.verification.verified import STANDING
from tidegate.workspace import identity
from tidegate.workspace.columns import METHOD, ORIGIN, REVISION, STATION
from tidegate.workspace.params import utc
from tidegate.workspace.paths import FORECASTS, PARAMS
from tidegate.workspace.settings import Settings

LEAST_HASH = 6  # characters: fewer would fit several


@dataclass(frozen=True)
class Link:
    """A part of the chain."""

    kind: str
    name: str
    facts: str = ""


def lineage(settings: Settings, reference: str) -> list[list[Link]]:
    """Give the chain of each version that a reference leads to, the source first.

    Raises:
        UserError: it leads to none.
        ServiceError: MLflow does not answer.
    """
    name, reference = settings.register_.name, reference.strip()
    if "@" in reference:
        return [_chain(settings, version, issued) for version, issued in _of_forecast(name, reference)]
    return [_chain(settings, version, None) for version in _versions(name, reference)]


def champions_chain(settings: Settings) -> list[tuple[str, str, str]]:
    """Give the kind, name and facts of each part of the champion's chain; nothing without a champion."""
    champion = registry.champion(settings.register_.name)
    return [(link.kind, link.name, link.facts) for link in _chain(settings, champion, None)] if champion else []


def as_text(chains: Sequence[Sequence[Link]]) -> str:
    """Give chains as lines."""
    blocks = [
        [f"{link.kind:<13} {link.name}" + (f": {link.facts}" if link.facts else "") for link in chain]
        for chain in chains
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def as_json(chains: Sequence[Sequence[Link]]) -> str:
    """Give chains as JSON."""
    return json.dumps([[vars(link) for link in chain] for chain in chains], indent=2, ensure_ascii=False)


def as_mermaid(chains: Sequence[Sequence[Link]]) -> str:
    """Give chains as a Mermaid diagram; what they share is drawn once."""
    names: dict[Link, str] = {}
    lines, drawn = ["graph LR"], set[str]()
    for chain in chains:
        for link in chain:
            if link not in names:
                names[link] = f"n{len(names)}"
                text = f"<b>{link.kind}</b><br>{link.name}" + (f"<br>{link.facts}" if link.facts else "")
                lines.append(f'    {names[link]}["{text.replace(chr(34), "#quot;")}"]')
        arrows = [f"    {names[left]} --> {names[right]}" for left, right in pairwise(chain)]
        lines += [arrow for arrow in arrows if arrow not in drawn]
        drawn |= set(arrows)
    return "\n".join(lines)


def _versions(name: str, reference: str) -> list[registry.ModelVersion]:
    """Find the versions that a reference leads to.

    Raises:
        UserError: there is none.
    """
    if reference == registry.CHAMPION:
        champion = registry.champion(name)
        if champion is None:
            raise UserError(no_champion(name))
        return [champion]
    known = [registry.get_version(name, number) for number in registry.version_numbers(name)]
    found = [version for version in known if _leads_to(reference, version)]
    if not found:
        listed = ", ".join(str(version.version) for version in known) or "none"
        raise UserError(
            f"{reference!r} is no version of {name} (there are {listed}), no id of a run, and no beginning of a hash "
            "of data or of a commit of one; a forecast is named STATION@ORIGIN."
        )
    return found


def _leads_to(reference: str, version: registry.ModelVersion) -> bool:
    if reference.lower().removeprefix("v") == str(version.version):
        return True
    hashes = [version.tags.get(f"tidegate.{key}", "") for key in ("data", "commit")]
    hashes += [runs.run_of_version(version) or "", version.tags.get(runs.DIGEST, "")]
    return len(reference) >= LEAST_HASH and any(one.startswith(reference.lower()) for one in hashes)


def _of_forecast(name: str, reference: str) -> list[tuple[registry.ModelVersion, pd.DataFrame]]:
    """Find the versions that have issued a forecast, and its rows.

    Raises:
        UserError: it was not issued.
    """
    station, _, text = reference.rpartition("@")
    try:
        origin = utc(text)
    except ValueError as error:
        raise UserError(f"{error}: a forecast is named STATION@ORIGIN, such as S01@2025-03-01T06:00.") from None
    found = []
    for path in sorted(FORECASTS.glob(f"{name}-v*/{origin:%Y-%m}.parquet")):
        filters = [(STATION, "==", station), (ORIGIN, "==", origin.to_pydatetime())]
        rows = pq.read_table(path, filters=filters).to_pandas()
        number = path.parent.name.rpartition("-v")[2]
        if len(rows) and number in registry.version_numbers(name):
            found.append((registry.get_version(name, number), rows))
    if not found:
        raise UserError(
            f"No forecast of station {station} from {origin:%Y-%m-%d %H:%M} UTC has been issued by a version of "
            f"{name}: origins and stations stand in forecasts/."
        )
    return found


def _chain(settings: Settings, version: registry.ModelVersion, issued: pd.DataFrame | None) -> list[Link]:
    tags, name = version.tags, f"{version.name} version {version.version}"
    run_id = runs.run_of_version(version)
    links = [*_inputs(tags), *(_of_run(run_id) if run_id else [Link("run", "gone from the store")])]
    reason = tags.get("tidegate.decision.reason", "")
    because = f"; asked for because: {tags['tidegate.because']}" if "tidegate.because" in tags else ""
    links.append(Link("version", name, f"{tags.get('tidegate.candidate', '?')}; {reason}{because}"))
    moves = [entry for entry in champion_log.look(version.name) if entry.version == str(version.version)]
    links += [Link("alias", entry.alias, f"{entry.moment[:16]} by {entry.by}: {entry.because}") for entry in moves]
    return [*links, *_forecasts(version, issued), *_verification(version)]


def _inputs(tags: dict[str, str]) -> list[Link]:
    commit, data = tags.get("tidegate.commit", "none"), tags.get("tidegate.data", "unknown")
    changed = " with uncommitted changes" if tags.get("tidegate.dirty") == "true" else ""
    try:
        here = "is in data/" if identity.data_hash() == data else "is not what data/ holds now; DVC's cache may"
    except DataError:
        here = "is not in data/"
    return [Link("source", _source(commit)), Link("data", data, here), Link("code", commit, f"commit{changed}")]


def _source(commit: str) -> str:
    """Describe the source by params.yaml of a commit."""
    shown = subprocess.run(["git", "show", f"{commit}:{PARAMS}"], capture_output=True, text=True, check=False)
    try:
        dataset = YAML(typ="safe").load(shown.stdout)["dataset"] if not shown.returncode else {}
    except (YAMLError, TypeError, KeyError):
        dataset = {}
    options = dataset.get("options") or {}
    where = options.get("paths") or options.get("table") or options.get("preset") or ""
    named = where if isinstance(where, str) else ", ".join(map(str, where))
    return f"{dataset.get('source', 'unknown')} {re.sub('//[^/@]*@', '//***@', named)}".strip()


def _of_run(run_id: str) -> list[Link]:
    params, scores, findings = results.described(run_id)
    gate = ", ".join(f"{rule} {count}" for rule, count in findings.items()) or "nothing found, or not kept"
    windows = f"{params.get('window.lookback_steps', '?')} → {params.get('window.horizon_steps', '?')} steps"
    shown = [f"{key} {scores[key]:.4g}" for key in ("mase", "mae", "coverage", "brier") if key in scores]
    return [Link("gate", "findings", gate), Link("windows", windows), Link("run", run_id, ", ".join(shown))]


def _forecasts(version: registry.ModelVersion, issued: pd.DataFrame | None) -> list[Link]:
    if issued is not None:
        row = issued.sort_values(REVISION).iloc[-1] if REVISION in issued else issued.iloc[-1]
        methods = "/".join(sorted(issued[METHOD].unique())) if METHOD in issued else "model"
        facts = f"{len(issued)} rows, {methods}, revision {row.get(REVISION, 0)}, from data {row.get('data', '?')}"
        return [Link("forecast", f"{row[STATION]}@{row[ORIGIN]:%Y-%m-%dT%H:%M}", facts)]
    files = sorted(Path(FORECASTS / f"{version.name}-v{version.version}").glob("*.parquet"))
    if not files:
        return [Link("forecasts", "none issued")]
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    return [Link("forecasts", f"{rows:,} rows", f"origins from {files[0].stem} to {files[-1].stem}")]


def _verification(version: registry.ModelVersion) -> list[Link]:
    try:
        table = summary()
    except UserError:
        return [Link("verification", "none yet")]
    table = table[(table["model"] == version.name) & (table["version"].astype(str) == str(version.version))]
    rows: Any = table[table["issue"] == STANDING]
    if rows.empty:
        return [Link("verification", "none yet")]
    row = rows.iloc[0]
    facts = f"loss {row['loss']:.4g}, skill {row['skill']:.1%}, coverage {row['coverage']:.1%}"
    return [Link("verification", f"{row['verified']:,} forecasts", facts)]
