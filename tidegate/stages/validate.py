"""x"""

import pandas as pd

from tidegate.measurements import parquet
from tidegate.measurements.grid import step_of
from tidegate.quality import findings as findings_of
from tidegate.quality.groups import Group, judge, survey
from tidegate.quality.quarantine import check_releases
from tidegate.quality.summary import clean_schema, join_parts, result_sentence, write_results
from tidegate.workspace.parallel import map_parts
from tidegate.workspace.paths import CLEAN, PROFILE, VALIDATION_PARTS, remove
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Validate data/; give one line of what passed."""
    check_releases(settings.validate_)
    network = survey(settings)
    progress(0, 1, f"{network.rows.sum():,} rows")
    for made in (VALIDATION_PARTS, CLEAN, PROFILE):  # what did not pass is not to be taken for what did
        remove(made)
    VALIDATION_PARTS.mkdir(parents=True)
    steps = (network.last - network.first) // step_of(settings.dataset.frequency) + 1
    each = pd.Series(steps, index=network.rows.index).clip(lower=network.rows)
    groups = parquet.station_ranges(each, settings.validate_.group_rows)
    jobs = {f"group-{place}": Group(settings, network, of, place) for place, of in enumerate(groups)}
    parts = []
    for done, part in enumerate(map_parts(judge, jobs), start=1):
        parts.append(part)
        progress(done, len(jobs), f"{done} of {len(jobs)} groups of stations")
    findings = write_results(settings, network, parts)
    findings_of.require_open(findings, settings.validate_)
    join_parts(VALIDATION_PARTS.glob("*.clean.parquet"), CLEAN, clean_schema(settings))
    join_parts(VALIDATION_PARTS.glob("*.profile.parquet"), PROFILE, None)
    remove(VALIDATION_PARTS)
    return result_sentence(network, parts, findings)
