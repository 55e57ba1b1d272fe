"""Validate: let good rows pass, quarantine bad cells, and stop when there are too many.

Reads data/. Writes artifacts/clean.parquet (each station on the regular grid, bad cells missing),
artifacts/quarantine.parquet (station, time, variable, value, rule, replaced), artifacts/findings.csv,
artifacts/validation.json, artifacts/profile.parquet (what the next data are held against) and the Data Docs. Stops when
a finding closes the gate (tidegate/gate.py); quarantine, findings and Data Docs are written first.

The stations are taken in groups, so that memory does not grow with their number, side by side if the driver has it so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegate import data_docs, drift, expectations, gate, history, months, parquet, rules
from tidegate import findings as findings_of
from tidegate import frame as long_frame
from tidegate.artifacts import (
    ACCEPTED,
    CLEAN,
    DATA,
    DATA_DOCS,
    FINDINGS,
    MEASUREMENTS,
    PROFILE,
    QUARANTINE,
    VALIDATION,
    VALIDATION_PARTS,
    remove,
    replacing,
    write_json,
)
from tidegate.calendar import step_of
from tidegate.errors import DataError, TidegateError
from tidegate.expectations import Outcome
from tidegate.findings import RULE
from tidegate.frame import ARRIVED, KEYS, STATION, TIME
from tidegate.gate import Network, Verdict, verdict
from tidegate.history import REPLACED, VALUE, VARIABLE
from tidegate.parquet import Range
from tidegate.report import Report
from tidegate.settings import Settings
from tidegate.sharing import in_pieces

SUPERSEDED = "superseded"
FEWEST_STEPS, SPARSE = 100_000, 20  # a grid of so many steps is laid out, or of so many times a station's rows
MOMENT = "datetime64[us, UTC]"
QUARANTINE_COLUMNS = {STATION: "str", TIME: MOMENT, VARIABLE: "str", VALUE: "float64", RULE: "str", REPLACED: MOMENT}


@dataclass(frozen=True)
class Group:
    """Stations to be judged, wherever that is done."""

    settings: Settings
    network: Network
    of: Range
    place: int


@dataclass(frozen=True)
class Part:
    """What came of a group; its clean rows, quarantine and profile lie in files."""

    outcomes: dict[str, list[Outcome]]
    findings: pd.DataFrame
    rows: dict[str, int]
    values: dict[str, int]
    quarantined: dict[str, int]
    missing: dict[str, int]
    steps: int
    newest: "pd.Series[pd.Timestamp]"  # time of each station's rows


def run(settings: Settings, report: Report) -> str:
    """Validate data/; give one line of what passed."""
    gate.check_releases(settings.validate_)
    network = survey(settings)
    report(0, 1, f"{network.rows.sum():,} rows")
    for made in (VALIDATION_PARTS, CLEAN, PROFILE):  # what did not pass is not to be taken for what did
        remove(made)
    VALIDATION_PARTS.mkdir(parents=True)
    steps = (network.last - network.first) // step_of(settings.dataset.frequency) + 1
    each = pd.Series(steps, index=network.rows.index).clip(lower=network.rows)
    groups = parquet.ranges(each, settings.validate_.group_rows)
    jobs = {f"group-{place}": Group(settings, network, of, place) for place, of in enumerate(groups)}
    parts = []
    for done, part in enumerate(in_pieces(judge, jobs), start=1):
        parts.append(part)
        report(done, len(jobs), f"{done} of {len(jobs)} groups of stations")
    findings = _write(settings, network, parts)
    findings_of.close(findings, settings.validate_)
    _join(VALIDATION_PARTS.glob("*.clean.parquet"), CLEAN, _clean_schema(settings))
    _join(VALIDATION_PARTS.glob("*.profile.parquet"), PROFILE, None)
    remove(VALIDATION_PARTS)
    return _sentence(network, parts, findings)


def survey(settings: Settings) -> Network:
    """Count the rows of each station, and find where the grid lies.

    Raises:
        DataError: data/ holds no rows.
    """
    names = months.require()
    step = rules.micro(settings.dataset.frequency)
    step_of(settings.dataset.frequency)
    spans: dict[int, list[int]] = {}
    for name in names:
        table = pq.read_table(DATA / MEASUREMENTS / f"{name}.parquet", columns=[TIME])
        times = pc.cast(pc.cast(table[TIME], pa.timestamp("us", tz="UTC")), pa.int64()).to_numpy()
        phases = times % step
        if (phases == phases[0]).all():  # as nearly always: sorting them would be half of the work
            found, which = phases[:1], np.zeros(len(phases), np.int64)
        else:
            found, which = np.unique(phases, return_inverse=True)
        begins, ends = np.full(len(found), times.max()), np.full(len(found), times.min())
        np.minimum.at(begins, which, times)
        np.maximum.at(ends, which, times)
        for phase, count, begin, end in zip(found, np.bincount(which), begins, ends, strict=True):
            known = spans.get(int(phase), [0, begin, end])
            spans[int(phase)] = [known[0] + int(count), min(known[1], begin), max(known[2], end)]
    offset = min(spans, key=lambda phase: (-spans[phase][0], phase))
    first, last = (pd.Timestamp(moment, unit="us", tz="UTC") for moment in spans[offset][1:])
    rows = parquet.rows_of_stations([DATA / MEASUREMENTS / f"{name}.parquet" for name in names])
    _refuse_far_apart((last - first) // step_of(settings.dataset.frequency) + 1, int(rows.max()), names)
    return Network(rows, offset, first.as_unit("us"), last.as_unit("us"))


def _refuse_far_apart(steps: int, most: int, names: Sequence[str]) -> None:
    """Refuse a grid that a wrong date has stretched beyond all measure.

    Raises:
        DataError: naming the first and the last row.
    """
    if steps <= FEWEST_STEPS + SPARSE * most:
        return
    ends = []
    for name, place in ((names[0], 0), (names[-1], -1)):
        rows = pq.read_table(DATA / MEASUREMENTS / f"{name}.parquet", columns=KEYS).to_pandas()
        row = rows.sort_values(TIME).iloc[place]
        ends.append(f"{row[TIME]:%Y-%m-%d %H:%M} at station {row[STATION]}")
    raise DataError(
        f"The data span {steps:,} steps, from {ends[0]} to {ends[1]} (UTC), and no station has more than {most:,} "
        "rows: one of the two times is wrong, or dataset.frequency; correct it, and give tidegate ingest --anew."
    )


def judge(group: Group) -> Part:
    """Judge the rows and series of a group; write its clean rows, its quarantine and its profile."""
    settings, variables = group.settings, list(group.settings.dataset.variables)
    rows, superseded = _stored(group.of, variables)
    found = verdict(rows, superseded, settings, group.network)
    _keep_parts(group.place, found, superseded, settings, group.network, list(rows[STATION].unique()))
    measured, passed = int(rows[variables].notna().sum().sum()), int(found.clean[variables].notna().sum().sum())
    if measured != passed + len(found.held):
        raise TidegateError(
            f"The books do not balance: {measured} values were measured, {passed} passed and {len(found.held)} are in "
            "quarantine: report this as a fault."
        )
    counts = {str(rule): int(count) for rule, count in found.held[RULE].value_counts().items()}
    return Part(
        found.outcomes,
        found.findings,
        {"stored": len(rows), "kept": len(rows) - found.off_grid, "quarantined": found.off_grid},
        {"measured": measured, "kept": passed, "quarantined": len(found.held)},
        {**counts, **({SUPERSEDED: len(superseded)} if len(superseded) else {})},
        {name: int(found.clean[name].isna().sum()) for name in variables},
        len(found.clean),
        rows.groupby(STATION)[TIME].max(),
    )


def _stored(of: Range, variables: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read data/: the standing rows of some stations, sorted, and the values that they replaced."""
    stored = [months.read_stored(name, of, variables) for name in months.require()]
    standing = pd.concat([month.standing for month in stored], ignore_index=True)
    revised = [month.revisions for month in stored if len(month.revisions)]
    replaced = pd.concat(revised, ignore_index=True) if revised else stored[0].revisions
    whole = history.Stored(standing, replaced, standing.iloc[:0])
    rows = long_frame.conform(standing.drop(columns=ARRIVED), variables).sort_values(KEYS, ignore_index=True)
    return rows, history.superseded(whole, variables).reset_index(drop=True)


def _keep_parts(
    place: int, found: Verdict, superseded: pd.DataFrame, settings: Settings, network: Network, stations: Sequence[str]
) -> None:
    clean, held = found.clean, found.held
    long_frame.write(VALIDATION_PARTS / f"{place:06d}.clean.parquet", clean, parquet.ROW_GROUP)
    never = pd.Series(pd.NaT, held.index, dtype=MOMENT)
    both = [held.assign(**{REPLACED: never}), superseded.assign(**{RULE: SUPERSEDED})]
    quarantine = pd.concat(
        [part.reindex(columns=list(QUARANTINE_COLUMNS)) for part in both if len(part)] or [_none_held()]
    )
    quarantine = quarantine.astype(QUARANTINE_COLUMNS).sort_values([*KEYS, VARIABLE, RULE, VALUE], ignore_index=True)
    long_frame.write(VALIDATION_PARTS / f"{place:06d}.quarantine.parquet", quarantine)
    profiles = [
        drift.profile(clean[STATION], clean[TIME], clean[name]).assign(**{VARIABLE: name})
        for name in settings.dataset.variables
    ]
    # And each station, whether it has values or not: so that it is known to have been there.
    there = pd.DataFrame({STATION: sorted(stations), VARIABLE: "", "month": 0, "values": 0, "until": network.last})
    profile = pd.concat([there.astype({STATION: "str"}), *profiles], ignore_index=True).astype({VARIABLE: "str"})
    long_frame.write(VALIDATION_PARTS / f"{place:06d}.profile.parquet", profile)


def _none_held() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in QUARANTINE_COLUMNS.items()})


def _write(settings: Settings, network: Network, parts: Sequence[Part]) -> pd.DataFrame:
    """Write what is to be seen whether the gate closes or not; give all findings."""
    _join(VALIDATION_PARTS.glob("*.quarantine.parquet"), QUARANTINE, None)
    stations, outcomes = _stations(network, parts, settings)
    findings = findings_of.sorted_findings([stations, *(part.findings for part in parts)])
    with replacing(FINDINGS) as aside:
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
    outcomes = expectations.check("stations", frame, gate.of_stations())
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


def _clean_schema(settings: Settings) -> pa.Schema:
    return pa.schema([each for each in months.schema(list(settings.dataset.variables)) if each.name != ARRIVED])


def _join(parts: "object", whole: Path, kind: pa.Schema | None) -> None:
    """Put the groups' files together, in the order of their stations."""
    paths = sorted(parts)  # type: ignore[call-overload]
    with parquet.writing(whole, kind or pq.read_schema(paths[0]), keep_empty=True) as file:
        for path in paths:
            for batch in pq.ParquetFile(path).iter_batches(parquet.ROW_GROUP):
                file.add_table(pa.Table.from_batches([batch]))


def _sentence(network: Network, parts: Sequence[Part], findings: pd.DataFrame) -> str:
    values, rows = _added([part.values for part in parts]), _added([part.rows for part in parts])
    held = _added([part.quarantined for part in parts]).get(SUPERSEDED, 0)
    text = f"{rows['kept']:,} of {rows['stored']:,} rows of {len(network.rows)} stations pass: "
    text += f"{values['measured']:,} values = {values['kept']:,} kept + {values['quarantined']:,} in quarantine"
    text += f" (and {held:,} superseded)" if held else ""
    warned = findings[findings["severity"] == "warn"]
    names = ", ".join(sorted(set(warned[RULE])))
    return text + (f"; {len(warned)} warnings ({names}): see {FINDINGS}" if len(warned) else "")
