"""What came of all groups of stations, put together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tidegate.measurements import months, parquet
from tidegate.measurements.grid import step_of
from tidegate.quality import data_docs, expectations
from tidegate.quality import findings as findings_of
from tidegate.quality.expectations import Outcome
from tidegate.quality.groups import SUPERSEDED, Part
from tidegate.quality.suite import of_stations
from tidegate.quality.verdict import Network
from tidegate.workspace.columns import ARRIVED, RULE, STATION, TIME
from tidegate.workspace.paths import (
    ACCEPTED,
    DATA,
    DATA_DOCS,
    FINDINGS,
    QUARANTINE,
    VALIDATION,
    VALIDATION_PARTS,
    atomic_output,
    write_json,
)
from tidegate.workspace.settings import Settings


def write_results(settings: Settings, network: Network, parts: Sequence[Part]) -> pd.DataFrame:
    """Write what is to be seen whether the gate closes or not; give all findings."""
    join_parts(VALIDATION_PARTS.glob("*.quarantine.parquet"), QUARANTINE, None)
    stations, outcomes = _stations(network, parts, settings)
    findings = findings_of.sorted_findings([stations, *(part.findings for part in parts)])
    with atomic_output(FINDINGS) as aside:
        findings.to_csv(aside, index=False)
    shown = [
        [*part.outcomes["rows"], *part.outcomes["series"], *part.outcomes["revisions"], *outcomes] for part in parts
    ]
    data_docs.write_page("data gate", shown, findings, DATA_DOCS / "index.html")
    write_json(VALIDATION, _figures(parts, findings, len(network.rows)))
    return findings


def _stations(network: Network, parts: Sequence[Part], settings: Settings) -> tuple[pd.DataFrame, list[Outcome]]:
    """Hold the stations against those of the data that the gate let pass last.

    One has vanished if nothing newer came of it while others went on, for longer than it may be silent.
    """
    if not (DATA / ACCEPTED).exists():
        return pd.DataFrame(columns=findings_of.COLUMNS), []
    until = pd.read_parquet(DATA / ACCEPTED, columns=[STATION, "until"]).groupby(STATION)["until"].max()
    newest = pd.concat([part.newest for part in parts])
    patience = settings.validate_.rules.freshness.steps * step_of(settings.dataset.frequency)
    every = until.index.union(newest.index).astype("str")
    last = newest.reindex(every)
    silent = (last <= until.reindex(every)) & (network.last - last > patience)
    frame = pd.DataFrame(
        {
            STATION: every,
            TIME: last.fillna(until.reindex(every)).to_numpy(),
            "present": (last.notna() & ~silent).to_numpy(np.float64),
            "accepted": every.isin(until.index).astype(np.float64),
        }
    )
    frame[TIME] = frame[TIME].astype("datetime64[us, UTC]")
    outcomes = expectations.check("stations", frame, of_stations())
    found = findings_of.findings_of_series(frame, outcomes, pd.Series(1, index=every), settings.validate_.rules)
    known = set(until.index)
    found["examples"] = ["vanished" if station in known else "new" for station in found[STATION]]
    return found, outcomes


def _figures(parts: Sequence[Part], findings: pd.DataFrame, stations: int) -> dict[str, object]:
    steps = sum(part.steps for part in parts)
    return {
        "rows": _added([part.rows for part in parts]),
        "values": _added([part.values for part in parts]),
        "stations": stations,
        "missing_share": {
            name: round(count / max(steps, 1), 6) for name, count in _added([part.missing for part in parts]).items()
        },
        "quarantined": dict(sorted(_added([part.quarantined for part in parts]).items())),
        "findings": {str(rule): int(count) for rule, count in findings.groupby(RULE).size().items()},
    }


def _added(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for name, number in count.items():
            total[str(name)] = total.get(str(name), 0) + int(number)
    return total


def clean_schema(settings: Settings) -> pa.Schema:
    """Give the columns of the clean data."""
    return pa.schema([each for each in months.month_schema(list(settings.dataset.variables)) if each.name != ARRIVED])


def join_parts(parts: "object", whole: Path, kind: pa.Schema | None) -> None:
    """Put the groups' files together, in the order of their stations."""
    paths = sorted(parts)  # type: ignore[call-overload]
    with parquet.write_parquet(whole, kind or pq.read_schema(paths[0]), keep_empty=True) as file:
        for path in paths:
            for batch in pq.ParquetFile(path).iter_batches(parquet.ROW_GROUP):
                file.add_table(pa.Table.from_batches([batch]))


def result_sentence(network: Network, parts: Sequence[Part], findings: pd.DataFrame) -> str:
    """Say in one line what passed, what was held back and what was warned of."""
    values, rows = _added([part.values for part in parts]), _added([part.rows for part in parts])
    held = _added([part.quarantined for part in parts]).get(SUPERSEDED, 0)
    text = f"{rows['kept']:,} of {rows['stored']:,} rows of {len(network.rows)} stations pass: "
    text += f"{values['measured']:,} values = {values['kept']:,} kept + {values['quarantined']:,} in quarantine"
    text += f" (and {held:,} superseded)" if held else ""
    warned = findings[findings["severity"] == "warn"]
    names = ", ".join(sorted(set(warned[RULE])))
    return text + (f"; {len(warned)} warnings ({names}): see {FINDINGS}" if len(warned) else "")
