"""DVC's repository and its remote, whose errors are raised as this project's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dvc.dependency.param import MissingParamsError, ParamsDependency
from dvc.exceptions import DvcException, ReproductionError
from dvc.fs import localfs
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import Stage
from dvc.stage.exceptions import StageCmdFailedError

from tidegate.errors import ServiceError, StageFailed, TidegateError, UserError, one_line, without_secrets
from tidegate.workspace.paths import LOCK, PIPELINE


@contextmanager
def open_repository() -> Iterator[Repo]:
    """Open the DVC repository, and raise DVC's errors as this project's."""
    try:
        with Repo(_wait_for_lock=True) as repo:  # DVC's own lock: held only for moments, between stages
            yield repo
    except LockError:
        raise ServiceError(
            "Another DVC command has started on the same stage meanwhile: wait for it to end, then run this again."
        ) from None
    except ReproductionError as error:
        raise _cause_of(error) from error
    except DvcException as error:
        raise _refusal(error) from error


def _cause_of(error: BaseException) -> BaseException:
    """Find what made a stage fail, in the chain of DVC's errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TidegateError):
            return cause
        if isinstance(cause, StageCmdFailedError):
            return StageFailed(f"A stage's command failed ({cause}): its output is in the log.")
        if not isinstance(cause, DvcException):
            return cause
        cause = cause.__cause__
    return _refusal(error)


def _refusal(error: BaseException) -> UserError:
    helps = ""
    if f"{LOCK}' validation failed" in str(error):  # killed while DVC wrote it
        helps = f": delete {LOCK}, and run this again; what was made is in DVC's run cache, and is restored from there"
    return UserError(f"DVC refuses: {one_line(error)}{helps}.")


def require_parameters(repo: Repo) -> None:
    """Check that the parameters that stages depend on are there, before the first of them runs.

    Raises:
        UserError: some are not.
    """
    try:
        for stage in repo.index.stages:
            for dependency in stage.deps:
                if isinstance(dependency, ParamsDependency):
                    dependency.get_hash()
    except MissingParamsError as error:
        missing = one_line(error).rstrip(".")
        helps = "add them; an empty section, {}, takes the defaults"
        raise UserError(f"{missing}, and a stage of dvc.yaml depends on them: {helps}.") from None


def transfer_files(repo: Repo, transfer: Callable[[], Any]) -> None:
    """Transfer files from or to the DVC remote.

    Raises:
        ServiceError: the remote does not answer, or lacks a file.
    """
    try:
        transfer()
    except Exception as error:  # each kind of remote has its own exceptions
        name = repo.config["core"].get("remote")
        where = repo.config["remote"][name]["url"] if name else "(core.remote names none)"
        raise ServiceError(
            without_secrets(
                f"The DVC remote {where} does not give or take what it should ({one_line(error)}): see that it is up, "
                "that its keys are in the environment, and that the run's machine has pushed to it; then run again."
            )
        ) from error


def cached_dependencies(stage: Stage) -> list[str]:
    """List those paths that a stage depends on and that DVC keeps in its cache."""
    cached = [out for out in stage.repo.index.outs if out.use_cache]
    read = [dep.fs_path for dep in stage.deps]
    return sorted({out.def_path for out in cached if any(localfs.overlaps(out.fs_path, path) for path in read)})


def meta_of(stage: Stage) -> dict[str, Any]:
    """Give what a stage's `meta` in dvc.yaml tells the drivers: retries, pool, report, beside.

    Raises:
        UserError: one of them has the wrong type.
    """
    meta: dict[str, Any] = getattr(stage, "meta", None) or {}
    retries, pool, report = meta.get("retries", 0), meta.get("pool", ""), meta.get("report", "")
    beside = meta.get("beside", False)
    if not isinstance(retries, int) or retries < 0:
        raise UserError(f"{PIPELINE}: meta.retries of stage {stage.addressing} is {retries!r}: give a whole number.")
    if not isinstance(pool, str):
        raise UserError(f"{PIPELINE}: meta.pool of stage {stage.addressing} is {pool!r}: give a work pool's name.")
    if not isinstance(report, str):
        raise UserError(f"{PIPELINE}: meta.report of stage {stage.addressing} is {report!r}: give a CSV file.")
    if not isinstance(beside, bool):
        raise UserError(f"{PIPELINE}: meta.beside of stage {stage.addressing} is {beside!r}: give true or false.")
    return meta
