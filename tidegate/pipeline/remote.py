"""A stage in another clone: what travels there, and what must agree.

The run sends params.yaml, dvc.lock and data.dvc as they stand; code travels by git, data by the DVC remote. The worker
pulls what the stage reads, by hash, runs it, and pushes what it made, with DVC's record of the run. The run pulls that
record: DVC then finds that this very run has been done, whoever did it, and writes dvc.lock as after a run of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.errors import ServiceError, UserError
from tidegate.workspace import identity
from tidegate.workspace.paths import DATA_DVC, LOCK, PARAMS, atomic_output, remove

TRAVELLING = (PARAMS, LOCK, DATA_DVC)
CODE = ("flows", "models", "tidegate")


@dataclass(frozen=True)
class StageInputs:
    """What a worker needs to stand where the run stands."""

    commit: str
    files: dict[str, str]  # content by path


class RemoteRunner(Protocol):
    """Where stages can be sent."""

    def has(self, pool: str) -> bool:
        """Say whether there is such a pool.

        Raises:
            UserError: there is, and nobody works there.
        """

    def run(self, pool: str, stages: list[str], parcel: StageInputs) -> None:
        """Have stages run there, side by side; come back when all are done.

        Raises:
            StageFailed: one of them is not.
        """


def collect_inputs() -> StageInputs:
    """Make the parcel of this workspace.

    Raises:
        UserError: there is code here that no commit holds, so that a worker could not have it.
    """
    commit, _ = identity.git_state()
    changed = (identity.changed_files(*TRAVELLING) or []) + identity.new_files(*CODE)
    if commit == "none" or changed:
        what = f"{changed[0]} has changed since the last commit" if changed else "this is no git repository"
        raise UserError(f"A stage cannot be sent to another machine: {what}; commit it, and let the workers fetch it.")
    files = {path.as_posix(): path.read_text(encoding="utf-8") for path in TRAVELLING if path.exists()}
    return StageInputs(commit, files)


@contextmanager
def inputs_in_place(parcel: StageInputs) -> Iterator[None]:
    """Stand where the run stands; put this clone's own files back afterwards.

    Raises:
        ServiceError: this clone is at another commit.
    """
    commit, _ = identity.git_state()
    if commit != parcel.commit:
        raise ServiceError(
            f"The worker's clone in {Path.cwd()} is at commit {commit[:10]} and the run at {parcel.commit[:10]}: "
            "fetch and check that out there, then run again."
        )
    before = {path: path.read_bytes() if path.exists() else None for path in TRAVELLING}
    try:
        for path in TRAVELLING:
            _put(path, parcel.files[path.as_posix()].encode() if path.as_posix() in parcel.files else None)
        yield
    finally:
        for path, content in before.items():
            _put(path, content)


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        remove(path)
        return
    with atomic_output(path) as aside:
        aside.write_bytes(content)
