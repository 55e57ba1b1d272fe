"""What a run came to, as a table."""

from rich.table import Table

from tidegate import identity, tracking
from tidegate.artifacts import EVALUATION, MODELS, REGISTRATION, read_json
from tidegate.settings import Settings


def table(settings: Settings) -> Table:
    """Lay out the candidates with their test scores, best first; the one before the gate is marked."""
    scores = read_json(EVALUATION / "metrics.json")
    decision = read_json(REGISTRATION)
    target = settings.window.targets[0]
    unit = settings.validate_.variables[target].unit
    made = Table(title=f"Test span, all stations: {', '.join(settings.window.targets)}", title_justify="left")
    made.add_column("candidate", no_wrap=True)
    for heading in (f"MAE, {unit}", f"RMSE, {unit}", "MASE", "skill", "train time"):
        made.add_column(heading, justify="right")
    made.add_column("")
    for name in sorted(scores, key=lambda candidate: scores[candidate][settings.evaluate.metric]):
        own = scores[name]
        figures = [f"{own[key]:.3f}" for key in ("mae", "rmse", "mase")]
        made.add_row(name, *figures, f"{own['skill']:.1%}", _train_time(name), _role(name, decision))
    return made


def verdict() -> str:
    """Say in one sentence which model is champion now, and why."""
    decision = read_json(REGISTRATION)
    present = tracking.champion(decision["model"])
    if present is None:
        return f"There is no champion: {decision['reason']}."
    whose = present.tags.get("tidegate.candidate", "?")
    return f"Champion: {decision['model']} version {present.version} ({whose}). Because: {decision['reason']}."


def _role(name: str, decision: dict[str, object]) -> str:
    if name != decision["candidate"] or not decision["registered"]:
        return ""
    return "champion" if decision["promoted"] else "challenger"


def _train_time(name: str) -> str:
    run_id = tracking.find_run(name, identity.data_hash(), identity.folder_digest(MODELS / name))
    seconds = tracking.train_seconds(run_id) if run_id else None
    return f"{seconds:.1f} s" if seconds is not None else "–"
