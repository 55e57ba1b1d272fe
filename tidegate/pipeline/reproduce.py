"""Make a registered model again, from its commit and its data by hash, and compare it with what is registered.

Everything happens in a clone in a temporary folder, with an MLflow store of its own: the workspace, its registry and
its `dvc.lock` stay as they are. Nothing is installed: the packages are those of this environment.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ruamel.yaml import YAML

import models
from tidegate.errors import DataError, StageFailed, UserError
from tidegate.tracking import registry, results, runs
from tidegate.workspace import identity
from tidegate.workspace.paths import CHANGES, DATA_DVC, EVALUATION, MODELS, PARAMS, read_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings, load_settings

LOCAL_CONFIG = Path(".dvc") / "config.local"
TAIL = 300  # characters of a command's output, in a message
OTHER_DIGEST = "its files in the registry are the same, but the digest that the version bears is another"


@dataclass
class Reproduced:
    """How a model that was made again compares with the registered one."""

    version: str
    candidate: str
    identical: bool
    differences: list[str] = field(default_factory=list)  # of files and metrics

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        name = f"version {self.version} ({self.candidate})"
        if self.identical and not self.differences:
            return f"{name} was made again: identical to the byte, and so are its scores"
        what = "its files are identical" if self.identical else "it is not identical"
        return f"{name} was made again: {what}; {'; '.join(self.differences)}"


def reproduce(settings: Settings, reference: str, progress: Progress) -> Reproduced:
    """Make a version again, and compare it.

    Args:
        settings: of the workspace.
        reference: the number of a version, "champion", or the id of the run of a version.
        progress: is called for each step.

    Raises:
        UserError: there is no such version, or it cannot be made again.
        DataError: its commit, its data or its files are gone.
        StageFailed: a stage ended with an error.
    """
    version = _version(settings.register_.name, reference)
    tags = version.tags
    candidate = tags["tidegate.candidate"]
    registered, spec = registry.version_files(version)
    changes = spec.with_name(CHANGES)
    if tags["tidegate.commit"] == "none":
        raise UserError(f"Version {version.version} was trained outside a git repository: its code is not known.")
    if tags.get("tidegate.dirty") == "true" and not changes.exists():
        raise UserError(
            f"Version {version.version} was trained with changes to tracked files that were neither committed nor "
            "kept: it cannot be made again; commit before a training that is to be."
        )
    with TemporaryDirectory(prefix="tidegate-") as folder:
        clone = Path(folder) / "workspace"
        steps = ["checkout", "validate", "window", "train", "evaluate"]
        progress(0, len(steps), steps[0])
        _checkout(clone, tags["tidegate.commit"], tags["tidegate.data"], changes if changes.exists() else None)
        baseline = _keep_candidates(clone, candidate)
        for done, verb in enumerate(steps[1:], start=1):
            progress(done, len(steps), verb)
            for words in [[verb, name] for name in {candidate, baseline}] if verb == "train" else [[verb]]:
                _run(clone, *words)
        made = clone / MODELS / candidate
        result = Reproduced(str(version.version), candidate, identity.folder_digest(made) == tags[runs.DIGEST])
        if not result.identical:
            result.differences += _file_differences(registered, made) or [OTHER_DIGEST]
        scores = read_json(clone / EVALUATION / "metrics.json")[candidate]
        result.differences += _score_differences(_registered_scores(version), scores)
    return result


def _registered_scores(version: registry.ModelVersion) -> dict[str, float]:
    run_id = runs.run_of_version(version)
    if run_id is None:
        raise DataError(f"The run of version {version.version} is gone from the store: its scores cannot be compared.")
    return results.scores_of(run_id)


def _version(name: str, reference: str) -> registry.ModelVersion:
    reference = reference.strip()
    if reference == registry.CHAMPION:
        champion = registry.champion(name)
        if champion is None:
            raise UserError(registry.no_champion(name))
        return champion
    known = registry.version_numbers(name)
    for number in known:
        version = registry.get_version(name, number)
        if reference.lower().removeprefix("v") == number or reference == version.run_id:
            return version
    listed = f"there are {', '.join(known)}" if known else "none is registered yet"
    raise UserError(f"{reference!r} is no version of {name} and no run of one; {listed}.")


def _checkout(clone: Path, commit: str, data: str, changes: Path | None) -> None:
    """Clone the workspace at a commit, with the changes that were not in it, and check out the data by hash."""
    _git(None, "clone", "-q", "--no-checkout", str(Path.cwd()), str(clone))
    try:
        _git(clone, "checkout", "-q", "--detach", commit)
    except DataError:
        raise DataError(f"Commit {commit} is not in this repository: fetch it (git fetch), then try again.") from None
    if changes is not None and changes.stat().st_size:
        _git(clone, "apply", str(changes.absolute()))
    cache, storage = (Path(".dvc") / name for name in ("cache", "storage"))
    config = f"[cache]\n    dir = {cache.absolute()}\n['remote \"embedded\"']\n    url = {storage.absolute()}\n"
    (clone / LOCAL_CONFIG).write_text(config, encoding="utf-8")
    with (clone / DATA_DVC).open("w", encoding="utf-8") as out:
        YAML().dump({"outs": [{"md5": data, "hash": "md5", "path": "data"}]}, out)
    done = _command(clone, "dvc", "checkout", "-q", str(DATA_DVC))
    if done.returncode:
        done = _command(clone, "dvc", "pull", "-q", str(DATA_DVC))
    if done.returncode:
        raise DataError(
            f"The data of hash {data} are neither in DVC's cache nor in its remote: bring them back (dvc pull), then "
            "try again."
        )


def _keep_candidates(clone: Path, candidate: str) -> str:
    """Leave the candidate and the baseline in params.yaml; give the baseline's name."""
    loaded = load_settings(clone / PARAMS)
    if candidate not in loaded.models:
        raise DataError(f"params.yaml of that commit has no candidate {candidate}: it was trained with another one.")
    baseline = models.baseline_of(loaded.models, loaded.window)
    yaml = YAML()
    content = yaml.load(clone / PARAMS)
    for name in set(content["models"]) - {candidate, baseline}:
        del content["models"][name]
    yaml.dump(content, clone / PARAMS)
    return baseline


def _run(clone: Path, *words: str) -> None:
    done = _command(clone, "tidegate", *words)
    if done.returncode:
        reason = " ".join((done.stderr or done.stdout).split())[-TAIL:]
        raise StageFailed(f"{' '.join(words)} of that commit ended with an error: {reason}")


def _command(clone: Path, module: str, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DVC_"))}
    return subprocess.run(
        [sys.executable, "-m", module, *words], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )


def _git(folder: Path | None, *words: str) -> None:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"git {words[0]} failed: {' '.join(done.stderr.split())[-TAIL:]}.")


def _file_differences(registered: Path, made: Path) -> list[str]:
    """Say where and by how much the files of a model part."""
    names = sorted({path.name for folder in (registered, made) for path in folder.iterdir() if path.is_file()})
    found = []
    for name in names:
        old, new = registered / name, made / name
        if not (old.exists() and new.exists()):
            found.append(f"{name} is there only {'in the registry' if old.exists() else 'now'}")
        elif old.read_bytes() != new.read_bytes():
            found.append(f"{name} parts{_by_how_much(old, new)}")
    return found


def _by_how_much(old: Path, new: Path) -> str:
    if old.suffix != ".npz":
        return ""
    with np.load(old, allow_pickle=False) as first, np.load(new, allow_pickle=False) as second:
        if {name: first[name].shape for name in first} != {name: second[name].shape for name in second}:
            return " in its shapes"
        pairs = [(first[name], second[name]) for name in first if first[name].dtype.kind == "f"]
    return f" by at most {max((float(np.max(np.abs(a - b))) for a, b in pairs if a.size), default=0.0):.2g}"


def _score_differences(registered: dict[str, float], made: dict[str, float]) -> list[str]:
    return [
        f"{name} is {made[name]:.6g}, and was {score:.6g}"
        for name, score in sorted(registered.items())
        if name in made and not np.isclose(made[name], score, rtol=1e-9, atol=0)
    ]
