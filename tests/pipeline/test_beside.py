"""Stages side by side: the bytes are compared in tests/end_to_end/test_drivers.py."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from servers import until
from workspaces import ENVIRONMENT, ROOT, copy_workspace

from tidegate.errors import StageFailed, UserError
from tidegate.pipeline import beside, dag, drive
from tidegate.pipeline.beside import Beside, stages_at_once
from tidegate.pipeline.timing import Timing
from tidegate.workspace.progress import no_progress

CHILD = """
import sys, time
from tidegate.pipeline.stage_process import end_with
end_with(int(sys.argv[1]))
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys, time
process = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
print(process.pid, flush=True)
time.sleep(60)
"""


def test_as_many_stages_run_at_once_as_there_are_cores_with_memory_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEGATE_AT_ONCE", raising=False)
    monkeypatch.setattr(beside, "GPU", Path("/dev/absent"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(beside, "MEMORY_OF_ONE", 1)
    assert stages_at_once() == 4
    monkeypatch.setattr(beside, "MEMORY_OF_ONE", psutil.virtual_memory().total)
    assert stages_at_once() == 1


def test_one_at_a_time_where_there_is_a_gpu_but_what_the_environment_says_goes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TIDEGATE_AT_ONCE", raising=False)
    monkeypatch.setattr(beside, "GPU", tmp_path)
    assert stages_at_once() == 1
    monkeypatch.setenv("TIDEGATE_AT_ONCE", "3")
    assert stages_at_once() == 3


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5"])
def test_a_number_at_once_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TIDEGATE_AT_ONCE", given)
    with pytest.raises(UserError, match=f"TIDEGATE_AT_ONCE is {given!r}: give the number of stages"):
        stages_at_once()


def test_a_stage_whose_process_fails_is_left_to_the_walk(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(template)
    with Beside(Timing([], at_once=2)) as others:
        others.begin(["train@absent"])
        assert others.has_begun("train@absent")
        time.sleep(0.1)  # its thread has taken it up
        assert others.finish("train@absent") is None
        assert others.finish("train@never") is None


def test_a_stage_that_was_short_last_time_is_left_to_the_walk(
    template: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    timing = Timing([], at_once=3)
    for name, seconds in (("train@linear", 1.0), ("train@gru", 30.0)):
        with timing.stage(name):
            timing.keep(seconds)
    monkeypatch.chdir(template)
    with Beside(timing) as others:
        others.begin(["train@linear", "train@gru"])
        assert others.has_begun("train@gru") and not others.has_begun("train@linear")


def test_leaving_stops_the_processes_and_those_that_wait(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(template)
    with Beside(Timing([], at_once=2)) as others:
        others.begin(["train@lstm", "train@gru"])
        time.sleep(0.1)
    children = [child for child in psutil.Process().children() if "stage_process" in " ".join(child.cmdline())]
    assert children == []


def test_a_stage_process_ends_with_the_one_that_started_it_even_if_that_was_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(3)  # it has imported what it needs
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child.wait(timeout=20)


@pytest.mark.slow
def test_the_walk_waits_for_a_stage_that_still_runs_beside_it(
    cheap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_workspace(cheap, tmp_path / "copy")
    monkeypatch.chdir(copy)
    ended = []

    def wrap(run: dag.StageRun, work: Callable[[], object]) -> None:
        if run.name == "diagnose":
            raise StageFailed("that is enough")
        work()
        ended.append(run.name)
        if run.name == "train@seasonal_naive":  # the walk comes to train@linear while its process has DVC's lock
            linear = Path("artifacts/models/linear")  # which it has written, if all went faster than this looks
            until(lambda: str(linear) in Path(".dvc/tmp/rwlock").read_text() or linear.exists(), pause=0.01)

    with pytest.raises(StageFailed, match="that is enough"), Beside(Timing([], at_once=2)) as others:
        dag.reproduce(lambda words: drive.result_of(words, no_progress), wrap, beside=others)
    assert ended[-2:] == ["train@seasonal_naive", "train@linear"]
