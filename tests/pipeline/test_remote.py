"""Stages elsewhere, as far as one workspace shows it: what travels, what is refused, and what runs in place."""

from pathlib import Path

import pytest
from commands import refused
from workspaces import ask_for_pool, run_in, set_params

from tidegate.errors import ServiceError, UserError
from tidegate.pipeline import remote
from tidegate.pipeline.remote import StageInputs

pytestmark = pytest.mark.slow


@pytest.mark.long
def test_without_the_pool_the_stage_runs_in_place_and_says_so(copied: Path) -> None:
    ask_for_pool(copied)
    set_params(copied, {"models.linear.ridge": 0.5})
    printed = run_in(copied, "tidegate", "run").stdout
    assert "train@linear           asks for pool gpu, which is not here: it runs in place" in printed
    assert "train@linear           fitted at once" in printed


def test_a_lock_of_another_version_is_refused_in_one_sentence(copied: Path) -> None:
    lock = copied / "dvc.lock"
    lock.write_text(lock.read_text().replace("schema: '2.0'", "schema: '9.0'"))
    assert "dvc.lock" in refused(copied, "run")


def test_code_that_no_commit_holds_is_not_sent(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    set_params(workspace, {"train.seed": 5})  # travels as it stands
    assert "seed: 5" in remote.collect_inputs().files["params.yaml"]
    with (workspace / "models" / "naive.py").open("a") as code:
        code.write("# changed\n")
    with pytest.raises(UserError, match=r"models/naive\.py has changed since the last commit"):
        remote.collect_inputs()


def test_a_clone_gets_its_own_files_back(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    own, parcel = Path("params.yaml").read_text(), remote.collect_inputs()
    other = StageInputs(parcel.commit, {**parcel.files, "params.yaml": "x: 1\n", "dvc.lock": "schema: '2.0'\n"})
    with pytest.raises(RuntimeError), remote.inputs_in_place(other):
        assert Path("params.yaml").read_text() == "x: 1\n" and Path("dvc.lock").exists()
        raise RuntimeError
    assert Path("params.yaml").read_text() == own and not Path("dvc.lock").exists()
    with pytest.raises(ServiceError, match="is at commit"), remote.inputs_in_place(StageInputs("0" * 40, {})):
        pass
