"""Validate: let good rows pass, quarantine bad cells, and stop when there are too many.

Reads data/. Writes artifacts/clean.parquet (each station on the regular grid, bad cells missing),
artifacts/quarantine.parquet (station, time, variable, value, rule, replaced), artifacts/findings.csv,
artifacts/validation.json, artifacts/profile.parquet (what the next data are compared with) and the Data Docs. Stops
when a finding closes the gate (tidegate/quality/findings.py); quarantine, findings and Data Docs are written first.

The stations are judged in groups, so that memory does not grow with their number.
"""

import pandas as pd

from tidegate.measurements.grid import step_of
from tidegate.measurements.parquet import station_ranges
from tidegate.quality.findings import require_open
from tidegate.quality.groups import Group, judge
from tidegate.quality.network import survey
from tidegate.quality.quarantine import check_releases
from tidegate.quality.suite import rules_of
from tidegate.quality.summary import result_line, write_clean, write_findings
from tidegate.workspace.parallel import map_parts
from tidegate.workspace.paths import CLEAN, PROFILE, VALIDATION_PARTS, remove
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Validate data/; give one line of what passed.

    Raises:
        GateClosed: a rule finds more than it tolerates.
    """
    check_releases(settings.validate_)
    network = survey(settings)
    progress(0, 1, f"{network.rows.sum():,} rows")
    for output in (VALIDATION_PARTS, CLEAN, PROFILE):  # an earlier run's must not be taken for data that passed now
        remove(output)
    VALIDATION_PARTS.mkdir(parents=True)
    steps = (network.last - network.first) // step_of(settings.dataset.frequency) + 1
    rows = pd.Series(steps, index=network.rows.index).clip(lower=network.rows)
    ranges = station_ranges(rows, settings.validate_.group_rows)
    groups = {f"group-{number}": Group(settings, network, stations, number) for number, stations in enumerate(ranges)}
    results = []
    for done, result in enumerate(map_parts(judge, groups), start=1):
        results.append(result)
        progress(done, len(groups), f"{done} of {len(groups)} groups of stations")
    findings = write_findings(settings, network, results)
    require_open(findings, rules_of(settings.validate_))
    write_clean(settings)
    remove(VALIDATION_PARTS)
    return result_line(network, results, findings)
