"""What a stage that runs in another clone needs: which files are sent, and what must be the same there.

The run sends its params.yaml, dvc.lock and data.dvc; code comes by git, and data by the DVC remote. The worker pulls
the stage's dependencies by hash, runs the stage, and pushes its outputs together with DVC's run cache entry. The run
pulls that entry: DVC then restores the outputs as if the stage had run here, and writes dvc.lock in the same way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.errors import ServiceError, UserError
from tidegate.workspace.paths import DATA_DVC, LOCK, PARAMS, atomic_output, remove

# `identity` is imported where it is used: the graph alone needs neither pandas nor the settings.

SENT_FILES = (PARAMS, LOCK, DATA_DVC)
CODE_FOLDERS = ("flows", "models", "tidegate")


@dataclass(frozen=True)
class StageInputs:
    """What a worker needs to be in the same state as the run."""

    commit: str
    files: dict[str, str]  # content by path


class RemoteRunner(Protocol):
    """Runs stages in the work pools of other machines."""

    def has(self, pool: str) -> bool:
        """Say whether there is such a pool.

        Raises:
            UserError: the pool exists, but has no workers.
        """

    def run(self, pool: str, stages: list[str], inputs: StageInputs) -> None:
        """Run stages in the pool, side by side; return when all are done.

        Raises:
            StageFailed: one of them failed.
        """


def collect_inputs() -> StageInputs:
    """Collect what a worker needs from this workspace.

    Raises:
        UserError: there is code here that is not committed, so that a worker could not have it.
    """
    from tidegate.workspace import identity

    commit, _ = identity.git_state()
    changed = (identity.changed_files(*SENT_FILES) or []) + identity.new_files(*CODE_FOLDERS)
    if commit == "none" or changed:
        reason = f"{changed[0]} has changed since the last commit" if changed else "this is no git repository"
        raise UserError(
            f"A stage cannot be sent to another machine: {reason}; commit it, and let the workers fetch it."
        )
    files = {path.as_posix(): path.read_text(encoding="utf-8") for path in SENT_FILES if path.exists()}
    return StageInputs(commit, files)


@contextmanager
def inputs_in_place(inputs: StageInputs) -> Iterator[None]:
    """Replace this clone's files by those of the run within the block; put its own files back afterwards.

    Raises:
        ServiceError: this clone is at another commit.
    """
    from tidegate.workspace import identity

    commit, _ = identity.git_state()
    if commit != inputs.commit:
        raise ServiceError(
            f"The worker's clone in {Path.cwd()} is at commit {commit[:10]} and the run at {inputs.commit[:10]}: "
            "fetch and check that out there, then run again."
        )
    before = {path: path.read_bytes() if path.exists() else None for path in SENT_FILES}
    try:
        for path in SENT_FILES:
            _put(path, inputs.files[path.as_posix()].encode() if path.as_posix() in inputs.files else None)
        yield
    finally:
        for path, content in before.items():
            _put(path, content)


def _put(path: Path, content: bytes | None) -> None:
    """Write a file, or remove it where there is no content."""
    if content is None:
        remove(path)
        return
    with atomic_output(path) as aside:
        aside.write_bytes(content)
