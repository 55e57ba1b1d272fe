"""The identity of a trained model: the DVC hash of the data, the git commit, the parameters and the seed.

The MLflow run and the registered version have the same tags, so that either can be found from the other.
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
from tidegate.workspace.paths import DATA, DATA_DVC, LOCK
from tidegate.workspace.settings import Settings


@dataclass(frozen=True)
class Identity:
    """What identifies a trained model."""

    candidate: str
    data: str  # DVC hash of data/
    commit: str  # "none" outside a git repository
    dirty: bool  # whether tracked files differed from the commit
    params: str  # digest of the parameters that shape the model
    seed: int

    def tags(self) -> dict[str, str]:
        """Give the identity as tags, whose values are text."""
        return {
            f"tidegate.{key}": str(value).lower() if key == "dirty" else str(value) for key, value in vars(self).items()
        }


def identity_of(settings: Settings, candidate: str) -> Identity:
    """Give the identity of a candidate trained with these settings on the present data and commit."""
    commit, dirty = git_state()
    params = digest(parameters(settings, candidate))
    return Identity(candidate, data_hash(), commit, dirty, params, settings.train.seed)


def parameters(settings: Settings, candidate: str) -> dict[str, Any]:
    """Give the parameters that shape a model as one flat mapping: {"window.lookback_steps": 72, …}."""
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
    """Read the DVC hash of the data from data.dvc.

    Raises:
        DataError: there is no data.dvc yet.
    """
    if not path.exists():
        raise DataError(f"{path} is not here: run tidegate ingest first.")
    return str(YAML(typ="safe").load(path)["outs"][0]["md5"])


def git_state() -> tuple[str, bool]:
    """Give the commit, and whether tracked files differ from it; dvc.lock and data.dvc are not compared."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "none", True
    return commit, changed_files(LOCK, DATA_DVC) != []


def changed_files(*excluded: Path) -> list[str] | None:
    """List the tracked files that differ from the commit, except the excluded ones; None without a git repository."""
    excludes = [f":!{path}" for path in excluded]
    output = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *excludes)
    return None if output is None else [line.split(maxsplit=1)[1] for line in output.splitlines()]


def uncommitted_changes() -> str:
    """Give the differences of tracked files from the commit as a patch, but for dvc.lock and data.dvc."""
    excludes = [f":!{path}" for path in (LOCK, DATA_DVC)]
    patch = _git("diff", "--binary", "--no-color", "--no-ext-diff", "HEAD", "--", ".", *excludes)
    return f"{patch}\n" if patch else ""


def new_files(*folders: str) -> list[str]:
    """List the files in these folders that git neither tracks nor ignores."""
    return (_git("ls-files", "--others", "--exclude-standard", "--", *folders) or "").splitlines()


def repository_files() -> list[str] | None:
    """List the files here that git tracks, or would track; None without a git repository that has a commit."""
    if _git("rev-parse", "HEAD") is None:
        return None
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "-z") or ""
    return sorted({name for name in listed.split("\0") if name and Path(name).is_file()})


def folder_digest(folder: Path, pattern: str = "*") -> str:
    """Give a digest of the names and bytes of all files in a folder that match the pattern."""
    folder_hash = hashlib.sha256()
    for path in sorted(path for path in folder.rglob(pattern) if path.is_file()):
        folder_hash.update(path.relative_to(folder).as_posix().encode() + b"\0")
        folder_hash.update(bytes.fromhex(file_digest(path)))
    return folder_hash.hexdigest()


def file_digest(path: Path) -> str:
    """Give the SHA-256 of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made_from(*inputs: Path) -> dict[str, str]:
    """Give the digest of each input of a stage, by its path: that of DVC for data/, SHA-256 of the bytes for others."""
    return {path.as_posix(): _digest_of(path) for path in inputs}


def _digest_of(path: Path) -> str:
    if path == DATA and DATA_DVC.exists():
        return data_hash()
    return folder_digest(path) if path.is_dir() else file_digest(path)


def _git(*arguments: str) -> str | None:
    """Give the output of a git command; None if git is missing or the command fails."""
    try:
        process = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return process.stdout.strip()
