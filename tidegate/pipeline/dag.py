"""The graph, as DVC sees it; the only file that imports DVC.

dvc.yaml is its only description. DVC itself walks it here, as in `dvc repro`: the order, what is stale, the run cache,
the locks and dvc.lock are all DVC's. Two things are different: what a stage's work is put into (a Prefect task, say),
and that one of Tidegate's own verbs runs in this process, where the libraries are loaded already.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from dvc.exceptions import DvcException, ReproductionError
from dvc.fs import localfs
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import _reproduce_stage, get_active_graph, plan_repro
from dvc.stage import PipelineStage, Stage
from dvc.stage.decorators import unlocked_repo
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.run import cmd_run

from tidegate.errors import ServiceError, StageFailed, TidegateError, UserError, in_a_line, without_secrets
from tidegate.pipeline.console import say, stage_line
from tidegate.pipeline.remote import RemoteRunner, StageInputs, collect_inputs, inputs_in_place
from tidegate.workspace.paths import DATA, PIPELINE

OWN_COMMAND = ["python", "-m", "tidegate"]
REMOTE_RETRIES = 2
PLAIN_WORD = re.compile(r"[\w.@=-]+")

VerbRunner = Callable[[list[str]], None]
Work = Callable[[], None]


@dataclass(frozen=True)
class StageRun:
    """A stale stage, as a driver sees it."""

    name: str
    retries: int  # from the stage's `meta`: how often to try again where the world is touched
    report: str = ""  # from there too: a CSV file that the driver shows, whether the stage comes to its end or not


StageWrapper = Callable[[StageRun, Work], None]


def stale_stages() -> list[str]:
    """Name the stages that would run now, in order; those after them may have to run too."""
    with _repository() as repo, lock_repo(repo):
        plan = plan_repro(get_active_graph(repo.index.graph))
        return [stage.addressing for stage in plan if stage.changed()]


def track_data(update: Work) -> None:
    """Update data/ and let DVC take note of it (cache its files, write data.dvc), alone in the workspace."""
    with _repository() as repo, lock_repo(repo):
        update()
        (stage,) = repo.add(str(DATA))
        if any(out.changed_cache() for out in stage.outs):  # DVC logs that a file could not be copied, and goes on
            where = repo.cache.local.path
            raise ServiceError(
                f"DVC cannot keep {DATA}/ in {where}: see that the disk is not full, then run this again."
            )


def reproduce(verb: VerbRunner, around: StageWrapper, elsewhere: RemoteRunner | None = None) -> None:
    """Bring all stages up to date, as `dvc repro` does, each stale one's work through `around`.

    A stage whose `meta.pool` names a pool that `elsewhere` has is sent there, beside all others of that pool whose
    dependencies are up to date; without such a pool it runs in place, and that is said.

    Raises:
        StageFailed: a stage's shell command failed; a verb's own error comes through as it is.
    """
    with _repository() as repo:
        _walk(repo, verb, around, elsewhere)


def run_for_another(name: str, parcel: StageInputs, verb: VerbRunner, around: StageWrapper) -> None:
    """Run one stage for a run in another clone: pull what it reads, and push what it made.

    Raises:
        ServiceError: this clone is at another commit, or the remote lacks what the stage reads.
    """
    with inputs_in_place(parcel), _repository() as repo:
        (stage,) = repo.stage.collect(name)
        if needed := _made_upstream(stage):
            around(StageRun("pull", REMOTE_RETRIES), lambda: _remotely(repo, lambda: repo.pull(needed, force=True)))
        _walk(repo, verb, around, targets=name, single_item=True)
        around(StageRun("push", REMOTE_RETRIES), lambda: _remotely(repo, lambda: repo.push(name, run_cache=True)))


def _walk(
    repo: Repo, verb: VerbRunner, around: StageWrapper, elsewhere: RemoteRunner | None = None, **chosen: Any
) -> None:
    """Have DVC walk all stages, or the chosen ones."""
    sent: set[str] = set()

    def each(stage: Stage, **options: Any) -> Stage | None:
        if not stage.changed(upstream=options.get("upstream")):
            return None
        pool, tried, done = _meta(stage).get("pool"), list[Stage](), list[Stage]()

        def work() -> None:
            if pool and elsewhere and stage.addressing not in sent:
                sent.update(_send(stage, pool, elsewhere))
            if stage.addressing in sent:
                options["pull"] = True
            with _commands(verb, sent) as ran:
                # What has failed is read anew: DVC holds its new dependencies and its old outputs in memory now, and
                # would take them for a pair that it has seen.
                own = stage.reload() if tried else stage
                tried.append(own)
                done.append(_reproduce_stage(own, **options))
            if isinstance(stage, PipelineStage) and not ran:
                how = f"ran in pool {pool}" if stage.addressing in sent else "restored: DVC's cache holds this very run"
                say(f"{stage.addressing:<22} {how}")

        meta = _meta(stage)
        around(StageRun(stage.addressing, meta.get("retries", 0), meta.get("report", "")), work)
        return done[-1]

    repo.reproduce(repro_fn=each, **chosen)


def _send(stage: Stage, pool: str, elsewhere: RemoteRunner) -> list[str]:
    """Have a stage run in a pool, and all others that could; name them: no one if the pool is not there."""
    if not elsewhere.has(pool):
        say(f"{stage.addressing:<22} asks for pool {pool}, which is not here: it runs in place")
        return []
    repo = stage.repo
    graph = get_active_graph(repo.index.graph)
    ready = [
        other
        for other in plan_repro(graph)
        if _meta(other).get("pool") == pool
        and other.changed()
        and not any(up.changed() for up in plan_repro(graph, [other]) if up is not other)
    ]
    if needed := sorted({path for one in ready for path in _made_upstream(one)}):
        _remotely(repo, lambda: repo.push(needed))
    names = [one.addressing for one in ready]
    parcel = collect_inputs()
    # As DVC does around a stage's command: its lock is not held while others work.
    unlocked_repo(lambda _stage: elsewhere.run(pool, names, parcel))(stage)
    _remotely(repo, lambda: repo.stage_cache.pull(None))
    return names


def _remotely(repo: Repo, transfer: Callable[[], Any]) -> None:
    """Transfer files from or to the DVC remote.

    Raises:
        ServiceError: it does not answer, or lacks what is asked for.
    """
    try:
        transfer()
    except Exception as error:  # each kind of remote has errors of its own
        name = repo.config["core"].get("remote")
        where = repo.config["remote"][name]["url"] if name else "(core.remote names none)"
        raise ServiceError(
            without_secrets(
                f"The DVC remote {where} does not give or take what it should ({in_a_line(error)}): see that it is up, "
                "that its keys are in the environment, and that the run's machine has pushed to it; then run again."
            )
        ) from error


def _made_upstream(stage: Stage) -> list[str]:
    """List what DVC keeps of what a stage reads, as paths."""
    made = [out for out in stage.repo.index.outs if out.use_cache]
    read = [dep.fs_path for dep in stage.deps]
    return sorted({out.def_path for out in made if any(localfs.overlaps(out.fs_path, path) for path in read)})


@contextmanager
def _commands(verb: VerbRunner, elsewhere: set[str]) -> Iterator[list[str]]:
    """Have DVC run Tidegate's own verbs in this process; give the stages whose commands have been run.

    Raises:
        StageFailed: the command of a stage that has been run elsewhere is to be run.
    """
    ran: list[str] = []

    def run(stage: Stage, dry: bool = False, run_env: Any = None) -> None:
        if stage.addressing in elsewhere:
            elsewhere.discard(stage.addressing)  # a retry sends it again
            raise StageFailed(
                f"{stage.addressing} has been run in its pool, but from other code or data than stands here: let this "
                "clone and the worker's have the same commit, and nothing changed since."
            )
        ran.append(stage.addressing)
        words = _own_words(stage)
        if words is not None:
            verb(words)
            return
        with stage_line(stage.addressing) as line:
            cmd_run(stage, dry=dry, run_env=run_env)
            line.result = "done"

    # DVC offers no hook at this place; a test holds both drivers to the same dvc.lock.
    with patch("dvc.stage.run.cmd_run", run):
        yield ran


def _own_words(stage: Stage) -> list[str] | None:
    """Give what follows `python -m tidegate` if that is all that a stage's command is."""
    if not isinstance(stage.cmd, str) or stage.wdir != stage.repo.root_dir:
        return None
    words = shlex.split(stage.cmd)
    plain = all(PLAIN_WORD.fullmatch(word) for word in words)
    return words[3:] if plain and words[:3] == OWN_COMMAND else None


def _meta(stage: Stage) -> dict[str, Any]:
    """Give what dvc.yaml says of a stage to its drivers: retries, pool, report.

    Raises:
        UserError: one of them is not what it must be.
    """
    meta: dict[str, Any] = getattr(stage, "meta", None) or {}
    retries, pool, shown = meta.get("retries", 0), meta.get("pool", ""), meta.get("report", "")
    if not isinstance(retries, int) or retries < 0:
        raise UserError(f"{PIPELINE}: meta.retries of stage {stage.addressing} is {retries!r}: give a whole number.")
    if not isinstance(pool, str):
        raise UserError(f"{PIPELINE}: meta.pool of stage {stage.addressing} is {pool!r}: give a work pool's name.")
    if not isinstance(shown, str):
        raise UserError(f"{PIPELINE}: meta.report of stage {stage.addressing} is {shown!r}: give a CSV file.")
    return meta


@contextmanager
def _repository() -> Iterator[Repo]:
    """Open the DVC repository, and say DVC's errors in this project's terms."""
    try:
        with Repo(_wait_for_lock=True) as repo:  # its own lock: held for moments, between stages
            yield repo
    except LockError:
        raise ServiceError(
            "Another DVC command has begun on the same stage meanwhile: wait for it to end, then run this again."
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
    return UserError(f"DVC refuses: {in_a_line(error)}.")
