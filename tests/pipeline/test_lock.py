"""One at a time in a workspace: a second run or `dvc repro` waits, says for whom, and finds the work done."""

import sys
import time
from pathlib import Path

import pytest
from commands import invoke, refused
from workspaces import begun, ran, run_in, set_params

pytestmark = pytest.mark.slow


def test_a_run_waits_for_a_dvc_command_and_says_so(copied: Path) -> None:
    holder = (
        "import sys, time\nfrom dvc.repo import Repo\nrepo = Repo()\n"
        "with repo.lock:\n    print('held', flush=True)\n    time.sleep(8)\n"
    )
    process = begun(copied, "-c", holder, until="held")
    printed = invoke(copied, "run").stdout.splitlines()
    assert process.poll() == 0
    assert f"(process {process.pid}) to end …" in printed[0] and printed[0].startswith("Waiting for ")
    assert printed[1].startswith("Everything is up to date")


@pytest.mark.long
def test_of_two_runs_at_once_the_second_waits_and_finds_the_work_done(copied: Path) -> None:
    set_params(copied, {"models.linear.ridge": 0.5})
    (copied / ".tidegate" / "holder.json").unlink()  # of the run that trained this workspace
    first = begun(copied, "-m", "tidegate", "run")
    until = time.monotonic() + 60
    while not (copied / ".tidegate" / "holder.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
    third = begun(copied, "-m", "tidegate.pipeline.lock", sys.executable, "-m", "dvc", "repro")  # as `make repro` does
    second = run_in(copied, "tidegate", "run").stdout.splitlines()
    printed, _ = third.communicate()
    assert printed.startswith("Waiting for ") and printed.rstrip().endswith("Data and pipelines are up to date.")
    assert "train@linear" in ran(first.communicate()[0]) and first.returncode == 0
    assert second[0].startswith(f"Waiting for tidegate run (process {first.pid}, since ")
    assert second[-1].startswith("Everything is up to date")


@pytest.mark.long
def test_a_run_waits_for_dvc_repro(copied: Path) -> None:
    set_params(copied, {"train.epochs": 3})
    repro = begun(copied, "-m", "dvc", "repro", until="Running stage 'train@")
    printed = invoke(copied, "run").stdout.splitlines()
    assert repro.wait() == 0
    assert f"Waiting for dvc repro (process {repro.pid}) to end …" == printed[0]
    assert printed[-1].startswith("Everything is up to date")


@pytest.mark.parametrize("torn", ["", '{"read": {"/a'])
def test_a_list_that_dvc_was_killed_in_writing_stops_nobody(copied: Path, torn: str) -> None:
    (copied / ".dvc" / "tmp" / "rwlock").write_text(torn)
    assert invoke(copied, "run").stdout.startswith("Everything is up to date")


def test_a_lock_that_dvc_was_killed_in_writing_is_refused_with_what_helps(copied: Path) -> None:
    lock = copied / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n  validate:\n    deps: 7\n")
    assert "delete dvc.lock, and run this again" in refused(copied, "run")
