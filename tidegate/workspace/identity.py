"""The identity of a trained model: the data's DVC hash, the git commit, the parameters and the seed.

The same tags stand on the MLflow run and on the registered version, so that each leads to the others.
"""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tidegate.errors import DataError
from tidegate.workspace.params import digest
from tidegate.workspace.paths import DATA_DVC, LOCK
from tidegate.workspace.settings import Settings


@dataclass(frozen=True)
class Identity:
    """What names a trained model."""

    candidate: str
    data: str  # DVC's hash of data/
    commit: str  # "none" outside a git repository
    dirty: bool  # whether tracked files differed from that commit
    params: str  # digest of the sections that shape the model
    seed: int

    def tags(self) -> dict[str, str]:
        """Give the identity as tags, all of them text."""
        return {
            f"tidegate.{key}": str(value).lower() if key == "dirty" else str(value) for key, value in vars(self).items()
        }


def identity_of(settings: Settings, candidate: str) -> Identity:
    """Name the model that these settings, this data and this commit make."""
    commit, dirty = git_state()
    shaping = digest(parameters(settings, candidate))
    return Identity(candidate, data_hash(), commit, dirty, shaping, settings.train.seed)


def parameters(settings: Settings, candidate: str) -> dict[str, Any]:
    """Give the parameters that shape a model, flat: "window.lookback_steps": 72."""
    sections = {
        "dataset": settings.dataset.model_dump(mode="json", exclude={"source", "options"}),
        "validate": settings.validate_.model_dump(mode="json"),
        "window": settings.window.model_dump(mode="json"),
        "train": settings.train.model_dump(mode="json"),
        "model": dict(settings.models[candidate]),
    }
    return {
        f"{section}.{key}": value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        for section, content in sections.items()
        for key, value in content.items()
    }


def data_hash(path: Path = DATA_DVC) -> str:
    """Read DVC's hash of the data from data.dvc.

    Raises:
        DataError: there is no data.dvc yet.
    """
    if not path.exists():
        raise DataError(f"{path} is not here: run tidegate ingest first.")
    return str(YAML(typ="safe").load(path)["outs"][0]["md5"])


def git_state() -> tuple[str, bool]:
    """Give the commit, and whether tracked files differ from it; the pipeline's own lock files do not count."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "none", True
    return commit, changed_files(LOCK, DATA_DVC) != []


def changed_files(*but: Path) -> list[str] | None:
    """List the tracked files that differ from the commit, but for some; None if git cannot say."""
    said = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in but))
    return None if said is None else [line.split(maxsplit=1)[1] for line in said.splitlines()]


def new_files(*folders: str) -> list[str]:
    """List the files that git does not know, and is not told to ignore, in some folders."""
    return (_git("ls-files", "--others", "--exclude-standard", "--", *folders) or "").splitlines()


def folder_digest(folder: Path, pattern: str = "*") -> str:
    """Give a digest of all files in a folder, names and bytes."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob(pattern) if p.is_file()):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
