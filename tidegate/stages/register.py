"""Register: put the best candidate into the registry, and make it champion if it beats the present one.

Reads artifacts/evaluation, artifacts/models, artifacts/windows, artifacts/clean.parquet and the registry. Writes
artifacts/registration.json: the decision and its reason. A candidate that beats the baseline is registered
(@challenger); one that also beats the champion on the same origins, by evidence, is promoted (@champion). Nothing is
promoted after a tie, or if the champion cannot be scored. A candidate that is not registered is no error: the champion
stays. In an experiment of DVC nothing is registered, and no alias moves. Stops if MLflow does not answer.
"""

from dataclasses import asdict

from tidegate.forecasting.experiment import write_remark
from tidegate.forecasting.promotion import COMPLETE, decide, stored_decision
from tidegate.forecasting.registration import register_version, set_aliases
from tidegate.tracking import registry, runs
from tidegate.workspace.identity import made_from
from tidegate.workspace.paths import EVALUATION, EXPERIMENT, MODELS, REGISTRATION, read_json, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Decide about the best candidate, and register it if it passes; give one line with the decision."""
    scores = read_json(EVALUATION / "metrics.json")
    metric = settings.evaluate.metric
    name = min(scores, key=lambda candidate: scores[candidate][metric])
    run_id = runs.ensure_run(settings, name)
    identity_tags = runs.identity_tags(run_id)  # from the time of the training
    version = registry.find_version(settings.register_.name, identity_tags)
    if version is not None:
        decision = stored_decision(version)
    else:
        progress(1, 3, f"{name} against the baseline and the champion")
        decision = decide(settings, name, scores)
        if decision.registered and not EXPERIMENT:
            progress(2, 3, f"registering {name}")
            version = register_version(settings, run_id, identity_tags, decision)
    if EXPERIMENT:
        return write_remark(EXPERIMENT, decision, version)
    if version is not None and COMPLETE not in version.tags:
        set_aliases(version, decision, settings.register_.shadow)
    number = int(version.version) if version is not None else None
    content = {**asdict(decision), "model": settings.register_.name, "version": number}
    write_json(REGISTRATION, {**content, "made_from": made_from(EVALUATION, MODELS / decision.candidate)})
    label = f"{settings.register_.name} version {number}: " if number else ""
    return f"{label}{decision.reason}"
