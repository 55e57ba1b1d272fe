"""The results of all groups of stations, put together: files, findings, Data Docs, counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tidegate.measurements import months, parquet
from tidegate.measurements.grid import step_of
from tidegate.quality import data_docs
from tidegate.quality.expectations import Outcome, check
from tidegate.quality.expected import expected
from tidegate.quality.findings import COLUMNS, findings_of_series, sorted_findings
from tidegate.quality.groups import SUPERSEDED, GroupResult
from tidegate.quality.network import Network
from tidegate.quality.suite import rules_of
from tidegate.workspace.columns import ARRIVED, RULE, STATION, TIME
from tidegate.workspace.identity import made_from
from tidegate.workspace.paths import (
    ACCEPTED,
    CLEAN,
    DATA,
    DATA_DOCS,
    FINDINGS,
    PROFILE,
    QUARANTINE,
    VALIDATION,
    VALIDATION_PARTS,
    atomic_output,
    write_json,
)
from tidegate.workspace.settings import Settings


def write_findings(settings: Settings, network: Network, results: Sequence[GroupResult]) -> pd.DataFrame:
    """Write what must be visible whether the gate closes or not: quarantine, findings, Data Docs and counts."""
    _join("quarantine", QUARANTINE, None)
    of_stations, outcomes = _check_stations(network, results, settings)
    findings = sorted_findings([of_stations, *(result.findings for result in results)])
    with atomic_output(FINDINGS) as aside:
        findings.to_csv(aside, index=False)
    phases = ("rows", "series", "revisions")
    by_group = [[*(one for phase in phases for one in result.outcomes[phase]), *outcomes] for result in results]
    counts = _counts(results, findings, len(network.rows))
    data_docs.write_page("data gate", by_group, findings, _verdict(counts, findings), DATA_DOCS / "index.html")
    write_json(VALIDATION, {**counts, "made_from": made_from(DATA)})
    return findings


def write_clean(settings: Settings) -> None:
    """Write what passed the gate: the clean rows, and the profile that the next data are compared with."""
    columns = [field for field in months.month_schema(list(settings.dataset.variables)) if field.name != ARRIVED]
    _join("clean", CLEAN, pa.schema(columns))
    _join("profile", PROFILE, None)


def _join(name: str, whole: Path, schema: pa.Schema | None) -> None:
    """Put the groups' files together, in the order of their stations."""
    paths = sorted(VALIDATION_PARTS.glob(f"*.{name}.parquet"))
    with parquet.write_parquet(whole, schema or pq.read_schema(paths[0]), keep_empty=True) as file:
        for path in paths:
            for batch in pq.ParquetFile(path).iter_batches(parquet.ROW_GROUP):
                file.add_table(pa.Table.from_batches([batch]))


def _check_stations(
    network: Network, results: Sequence[GroupResult], settings: Settings
) -> tuple[pd.DataFrame, list[Outcome]]:
    """Compare the stations with those of the data that passed the gate last.

    A station has vanished if it has nothing newer while others have, for longer than `freshness` tolerates.
    """
    if not (DATA / ACCEPTED).exists():
        return pd.DataFrame(columns=COLUMNS), []
    rules = rules_of(settings.validate_)
    until = pd.read_parquet(DATA / ACCEPTED, columns=[STATION, "until"]).groupby(STATION)["until"].max()
    until = until.drop(list(settings.dataset.stations.leave_out), errors="ignore")
    newest = pd.concat([result.newest for result in results])
    patience = rules.of("freshness").steps * step_of(settings.dataset.frequency)
    names = until.index.union(newest.index).astype("str")
    last = newest.reindex(names)
    silent = (last <= until.reindex(names)) & (network.last - last > patience)
    frame = pd.DataFrame(
        {
            STATION: names,
            TIME: last.fillna(until.reindex(names)).to_numpy(),
            "present": (last.notna() & ~silent).to_numpy(np.float64),
            "accepted": names.isin(until.index).astype(np.float64),
        }
    )
    frame[TIME] = frame[TIME].astype("datetime64[us, UTC]")
    outcomes = check("stations", frame, expected("network", settings))
    findings = findings_of_series(frame, outcomes, pd.Series(1, index=names), rules)
    accepted = set(until.index)
    findings["examples"] = ["vanished" if station in accepted else "new" for station in findings[STATION]]
    return findings, outcomes


def _verdict(counts: dict[str, Any], findings: pd.DataFrame) -> data_docs.GateVerdict:
    """Say in a sentence what the gate has decided, and how many rows and values there are."""
    values, rows = counts["values"], counts["rows"]
    closing = sorted(set(findings.loc[findings["closes"].astype(bool), RULE]))
    warned = int((findings["severity"] == "warn").sum())
    held = f"{values['quarantined']:,} of {values['measured']:,} values in quarantine"
    if closing:
        sentence = f"closed: more than is tolerated of {', '.join(closing)}; {held}"
    else:
        sentence = f"passed: {held}, within tolerance" if values["quarantined"] else f"passed: {held}"
    sentence += f"; {warned:,} warnings" if warned else ""
    kept = f"{rows['kept']:,} of {rows['stored']:,} rows of {counts['stations']:,} stations lie on the grid"
    by_rule = ", ".join(f"{rule} {count:,}" for rule, count in counts["quarantined"].items())
    detail = f"; in quarantine by rule: {by_rule}" if by_rule else ""
    return data_docs.GateVerdict(sentence, f"{kept}; {values['kept']:,} values are kept{detail}.", bool(closing))


def _counts(results: Sequence[GroupResult], findings: pd.DataFrame, stations: int) -> dict[str, Any]:
    steps = sum(result.steps for result in results)
    missing = _sum([result.missing for result in results])
    return {
        "rows": _sum([result.rows for result in results]),
        "values": _sum([result.values for result in results]),
        "stations": stations,
        "missing_share": {name: round(count / max(steps, 1), 6) for name, count in missing.items()},
        "quarantined": dict(sorted(_sum([result.quarantined for result in results]).items())),
        "findings": {str(rule): int(count) for rule, count in findings.groupby(RULE).size().items()},
    }


def _sum(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for name, number in count.items():
            total[str(name)] = total.get(str(name), 0) + int(number)
    return total


def result_line(network: Network, results: Sequence[GroupResult], findings: pd.DataFrame) -> str:
    """Say in one line what passed, what was held back and what was warned of."""
    values, rows = _sum([result.values for result in results]), _sum([result.rows for result in results])
    superseded = _sum([result.quarantined for result in results]).get(SUPERSEDED, 0)
    text = f"{rows['kept']:,} of {rows['stored']:,} rows of {len(network.rows)} stations pass: "
    text += f"{values['measured']:,} values = {values['kept']:,} kept + {values['quarantined']:,} in quarantine"
    text += f" (and {superseded:,} superseded)" if superseded else ""
    warned = findings[findings["severity"] == "warn"]
    names = ", ".join(sorted(set(warned[RULE])))
    return text + (f"; {len(warned)} warnings ({names}): see {FINDINGS}" if len(warned) else "")
