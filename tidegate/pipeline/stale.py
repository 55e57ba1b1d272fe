"""Which stages of dvc.yaml are stale, why, and which may have to run with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dvc.fs import localfs
from dvc.repo import lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import PipelineStage, Stage

from tidegate.pipeline.repository import meta_of, open_repository

SHOWN_CAUSES = 3


@dataclass(frozen=True)
class Stale:
    """What is stale in a workspace."""

    names: list[str] = field(default_factory=list)  # of the stages that are stale, in order
    # Why: "train@gru (changed: models.gru in params.yaml)"; not of those that are stale by others alone.
    reasons: list[str] = field(default_factory=list)
    may_run: list[str] = field(default_factory=list)  # the stale stages, and those after them
    side_by_side: list[str] = field(default_factory=list)  # those of them that `meta.beside` in dvc.yaml marks


def find_stale() -> Stale:
    """Find the stages that are stale now."""
    with open_repository() as repo, lock_repo(repo):
        stages = {stage.addressing for stage in repo.index.stages if stage.changed()}
        if not stages:  # only for the order is the graph needed, which takes DVC long
            return Stale()
        graph = get_active_graph(repo.index.graph)
        changed = [stage for stage in plan_repro(graph) if stage.addressing in stages]
        may_run = plan_repro(graph, changed, downstream=True)
        several = [stage for stage in may_run if meta_of(stage).get("beside")]
        names, all_that_may, together = ([stage.addressing for stage in some] for some in (changed, may_run, several))
        return Stale(names, list(_reasons(changed)), all_that_may, together)


def _reasons(changed: list[Stage]) -> Iterator[str]:
    """Say why each stage is stale, but for those whose only changed dependencies are outputs of stale stages."""
    stale_outputs: list[str] = []
    for stage in changed:
        if not isinstance(stage, PipelineStage):
            continue
        if not any(dep.hash_info for dep in stage.deps):
            yield f"{stage.addressing} (not in dvc.lock yet)"
        elif causes := _causes(stage, stale_outputs):
            more = f" and {len(causes) - SHOWN_CAUSES} more" if len(causes) > SHOWN_CAUSES else ""
            yield f"{stage.addressing} (changed: {', '.join(causes[:SHOWN_CAUSES])}{more})"
        stale_outputs += [out.fs_path for out in stage.outs]


def _causes(stage: PipelineStage, stale_outputs: list[str]) -> list[str]:
    """List what has changed of a stage: its command, its dependencies (stale outputs left out) and its outputs."""
    causes = ["its command"] if stage.changed_stage() else []
    for dep in [] if stage.frozen else stage.deps:
        if any(localfs.overlaps(path, dep.fs_path) for path in stale_outputs):
            continue
        for path, change in dep.status().items():
            # A file of parameters has a change for each of them.
            causes += [f"{key} in {path}" for key in change] if isinstance(change, dict) else [path]
    return causes + [f"output {path}" for out in stage.outs for path in out.status()]
