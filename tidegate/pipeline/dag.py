"""The pipeline's graph, walked by DVC.

dvc.yaml is the graph's only description. DVC itself walks it here, as `dvc repro` does: the order of the stages, which
are stale, the run cache, the locks and dvc.lock are all DVC's. Two things differ from `dvc repro`: a driver can wrap
the work of a stage (in a Prefect task, for example), and a stage whose command is `python -m tidegate …` runs in this
process, where the libraries are already loaded.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch

from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import _reproduce_stage, get_active_graph, plan_repro
from dvc.stage import PipelineStage, Stage
from dvc.stage.decorators import unlocked_repo
from dvc.stage.run import cmd_run

from tidegate.errors import ServiceError, StageFailed
from tidegate.pipeline.beside import Beside
from tidegate.pipeline.console import say, stage_line
from tidegate.pipeline.remote import RemoteRunner, StageInputs, collect_inputs, inputs_in_place
from tidegate.pipeline.repository import (
    cached_dependencies,
    meta_of,
    open_repository,
    require_parameters,
    transfer_files,
)
from tidegate.pipeline.timing import Timing
from tidegate.workspace.paths import DATA

TIDEGATE_COMMAND = ["python", "-m", "tidegate"]
REMOTE_RETRIES = 2
PLAIN_WORD = re.compile(r"[\w.@=-]+")

VerbRunner = Callable[[list[str]], object]
Work = Callable[[], object]
R = TypeVar("R")


@dataclass(frozen=True)
class StageRun:
    """A stale stage, as a driver sees it."""

    name: str
    retries: int  # `meta.retries` in dvc.yaml: how often to try again, for stages that call services
    report: str = ""  # `meta.report` in dvc.yaml: a CSV file that the driver shows, even if the stage fails


StageWrapper = Callable[[StageRun, Work], object]


def track_data(update: Callable[[], R]) -> R:
    """Update data/ and let DVC track it (cache its files, write data.dvc), while no other DVC command runs.

    Gives what the update gives.
    """
    with open_repository() as repo, lock_repo(repo):
        result = update()
        (stage,) = repo.add(str(DATA))
        if any(out.changed_cache() for out in stage.outs):  # DVC only logs that a file could not be copied
            where = repo.cache.local.path
            raise ServiceError(
                f"DVC cannot keep {DATA}/ in {where}: see that the disk is not full, then run this again."
            )
    return result


def reproduce(
    run_verb: VerbRunner,
    wrap: StageWrapper,
    remote: RemoteRunner | None = None,
    beside: Beside | None = None,
) -> None:
    """Bring all stages up to date, as `dvc repro` does; the work of each stale stage runs through `wrap`.

    A stage whose `meta.pool` names a pool that `remote` has is sent there, together with all other stages of that pool
    whose dependencies are up to date. Without such a pool it runs here, and a message says so. With
    `beside`, stages that `meta.beside` marks run side by side, the others in processes of their own.

    Raises:
        StageFailed: a stage's shell command failed. The error of a Tidegate command is raised unchanged.
        UserError: params.yaml lacks a section that a stage depends on.
    """
    with open_repository() as repo:
        require_parameters(repo)
        _walk(repo, run_verb, wrap, remote, beside)


def run_alone(name: str, run_verb: VerbRunner) -> None:
    """Bring one stage up to date, beside a walk that holds the workspace's lock."""
    with open_repository() as repo:
        _walk(repo, run_verb, lambda _, work: work(), targets=name, single_item=True)


def run_for_another(name: str, inputs: StageInputs, run_verb: VerbRunner, wrap: StageWrapper) -> None:
    """Run one stage for a run in another clone: pull its dependencies, run it, push its outputs.

    Raises:
        ServiceError: this clone is at another commit, or the remote lacks a dependency.
    """
    with inputs_in_place(inputs), open_repository() as repo:
        (stage,) = repo.stage.collect(name)
        if paths := cached_dependencies(stage):
            wrap(StageRun("pull", REMOTE_RETRIES), lambda: transfer_files(repo, lambda: repo.pull(paths, force=True)))
        _walk(repo, run_verb, wrap, targets=name, single_item=True)
        wrap(StageRun("push", REMOTE_RETRIES), lambda: transfer_files(repo, lambda: repo.push(name, run_cache=True)))


def _walk(
    repo: Repo,
    run_verb: VerbRunner,
    wrap: StageWrapper,
    remote: RemoteRunner | None = None,
    beside: Beside | None = None,
    **selection: Any,
) -> None:
    """Let DVC walk all stages, or the selected ones."""
    sent: set[str] = set()
    timing = beside.timing if beside else Timing([])

    def reproduce_stage(stage: Stage, **options: Any) -> Stage | None:
        begun = beside is not None and beside.has_begun(stage.addressing)  # then DVC lets nobody look at its outputs
        if not begun and not stage.changed(upstream=options.get("upstream")):
            return None
        meta = meta_of(stage)
        pool, attempts, results = meta.get("pool"), list[Stage](), list[Stage]()

        def work() -> None:
            if pool and remote and stage.addressing not in sent:
                sent.update(_send(stage, pool, remote))
            if stage.addressing in sent:
                options["pull"] = True
            first_here = stage.addressing not in sent and not attempts
            if beside and first_here and meta.get("beside") and (seconds := _seconds_beside(stage, beside)) is not None:
                results.append(stage.reload())
                timing.keep(seconds)
                return
            with _commands(run_verb, sent) as executed:
                # A retry loads the stage again: in memory, DVC holds the new hashes of its dependencies beside the old
                # hashes of its outputs, and would take them for a pair in the run cache.
                attempt = stage.reload() if attempts else stage
                attempts.append(attempt)
                results.append(_reproduce_stage(attempt, **options))
            if executed:
                timing.keep()
            elif isinstance(stage, PipelineStage):
                how = f"ran in pool {pool}" if stage.addressing in sent else "restored from DVC's run cache"
                say(f"{stage.addressing:<22} {how}")

        with timing.stage(stage.addressing):
            wrap(StageRun(stage.addressing, meta.get("retries", 0), meta.get("report", "")), work)
        return results[-1]

    repo.reproduce(repro_fn=reproduce_stage, **selection)


def _seconds_beside(stage: Stage, beside: Beside) -> float | None:
    """Let the stages begin that can run beside this one; give the seconds of this one if it ran beside an earlier."""

    def is_to_begin(other: Stage) -> bool:
        meta = meta_of(other)
        suits = bool(meta.get("beside")) and not meta.get("pool")
        return suits and other != stage and not beside.has_begun(other.addressing)

    beside.begin([other.addressing for other in _ready_stages(stage.repo, is_to_begin)])
    # DVC too releases its lock while a stage's command runs.
    seconds: float | None = unlocked_repo(lambda _stage: beside.finish(stage.addressing))(stage)
    return None if stage.reload().changed() else seconds


def _ready_stages(repo: Repo, chosen: Callable[[Stage], bool]) -> list[Stage]:
    """List those of the chosen stages that have changed, and whose dependencies are up to date, in order."""
    graph = get_active_graph(repo.index.graph)
    return [
        stage
        for stage in plan_repro(graph)
        if chosen(stage)
        and stage.changed()
        and not any(upstream.changed() for upstream in plan_repro(graph, [stage]) if upstream is not stage)
    ]


def _send(stage: Stage, pool: str, remote: RemoteRunner) -> list[str]:
    """Run a stage in a pool, and all other stages of the pool that are ready; list them. Empty if there is no pool."""
    if not remote.has(pool):
        say(f"{stage.addressing:<22} asks for pool {pool}, which is not here: it runs in place")
        return []
    repo = stage.repo
    ready = _ready_stages(repo, lambda other: meta_of(other).get("pool") == pool)
    if paths := sorted({path for other in ready for path in cached_dependencies(other)}):
        transfer_files(repo, lambda: repo.push(paths))
    names = [other.addressing for other in ready]
    inputs = collect_inputs()
    # DVC too releases its lock while a stage's command runs.
    unlocked_repo(lambda _stage: remote.run(pool, names, inputs))(stage)
    transfer_files(repo, lambda: repo.stage_cache.pull(None))
    return names


@contextmanager
def _commands(run_verb: VerbRunner, sent: set[str]) -> Iterator[list[str]]:
    """Let DVC run Tidegate's own commands in this process; yield the names of the stages whose commands ran.

    Raises:
        StageFailed: DVC would run the command of a stage that has already run in its pool.
    """
    executed: list[str] = []

    def run(stage: Stage, dry: bool = False, run_env: Any = None) -> None:
        if stage.addressing in sent:
            sent.discard(stage.addressing)  # a retry sends it again
            raise StageFailed(
                f"{stage.addressing} has run in its pool, but with other code or data than this clone has: check out "
                "the same commit in this clone and in the worker's, and change nothing while they run."
            )
        executed.append(stage.addressing)
        words = _tidegate_words(stage)
        if words is not None:
            run_verb(words)
            return
        with stage_line(stage.addressing) as line:
            cmd_run(stage, dry=dry, run_env=run_env)
            line.result = "done"

    # DVC has no hook for this; a test checks that both drivers write the same dvc.lock.
    with patch("dvc.stage.run.cmd_run", run):
        yield executed


def _tidegate_words(stage: Stage) -> list[str] | None:
    """Give the words after `python -m tidegate` in a stage's command; None if the command is anything else."""
    if not isinstance(stage.cmd, str) or stage.wdir != stage.repo.root_dir:
        return None
    words = shlex.split(stage.cmd)
    plain = all(PLAIN_WORD.fullmatch(word) for word in words)
    return words[3:] if plain and words[:3] == TIDEGATE_COMMAND else None
