"""Train: fit one candidate of params.yaml.

Reads artifacts/windows. Writes artifacts/models/<name>: the model, and history.csv, its learning curve. Records the
run with MLflow, or on disk while MLflow does not answer. Stops at settings from which no model can be built, or at
windows that it cannot be trained on. A training that was killed resumes after its last complete epoch with the same
result; a training that several machines share starts again.
"""

import time
from pathlib import Path

import pandas as pd

import models
from models.interface import Training
from tidegate.tracking import runs, utilisation
from tidegate.windows.store import read_windows
from tidegate.workspace import identity
from tidegate.workspace.params import digest, require_known
from tidegate.workspace.paths import CHECKPOINTS, HISTORY, MADE_FROM, MODELS, WINDOWS, atomic_output, write_json
from tidegate.workspace.processes import machines
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

COLUMNS = ["epoch", "train_loss", "validation_loss", "learning_rate"]


def run(settings: Settings, progress: Progress, name: str) -> str:
    """Train the candidate `name`; give one line with its best epoch."""
    require_known(name, settings.models, "the candidate")
    panel, starts = read_windows()
    section = settings.models[name]
    training = Training(panel, starts["train"], starts["validation"], settings.train)
    checkpoint = CHECKPOINTS / f"{name}-{_inputs_digest(settings, name)}.npz"
    team = machines()
    started = time.perf_counter()
    with utilisation.measure_utilisation() as used:
        model, history = models.fit(name, section, training, progress, None if team.several else checkpoint)
    seconds = time.perf_counter() - started
    if not team.leads:
        return f"took part as machine {team.index + 1} of {team.count}; the first keeps what was learnt"
    with atomic_output(MODELS / name) as folder:
        folder.mkdir()
        models.save(model, section, panel.spec, folder)
        write_json(folder / MADE_FROM, identity.made_from(WINDOWS))
        pd.DataFrame(history, columns=COLUMNS).to_csv(folder / HISTORY, index=False)
    unsent = runs.record_training(
        identity.identity_of(settings, name),
        identity.folder_digest(MODELS / name),
        identity.parameters(settings, name),
        history,
        seconds,
        models.training_device(model, models.recipe(name, section, settings.train).replicas),
        used,
    )
    for old_checkpoint in CHECKPOINTS.glob(f"{name}-*.npz"):
        old_checkpoint.unlink()
    later = "; MLflow is away: the record waits on disk, and is sent later" if unsent else ""
    if not history:
        return f"fitted at once{later}"
    best = min(history, key=lambda row: row["validation_loss"])
    return f"{len(history)} epochs, best {best['epoch'] + 1}: validation loss {best['validation_loss']:.4f}{later}"


def _inputs_digest(settings: Settings, name: str) -> str:
    """Give a digest of everything that a training depends on: only its own checkpoints may be resumed."""
    code = identity.folder_digest(Path(models.__file__).parent, "*.py")
    return digest([identity.parameters(settings, name), identity.folder_digest(WINDOWS), code])
