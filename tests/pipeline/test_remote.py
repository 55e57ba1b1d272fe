"""Stages elsewhere, as far as one workspace shows it: what travels, what is refused, and what runs in place."""

import shutil
from pathlib import Path

import pytest
from workspaces import ask_for_pool, run_in, set_params

from tidegate.errors import ServiceError, UserError
from tidegate.pipeline import remote
from tidegate.pipeline.remote import StageInputs

pytestmark = pytest.mark.slow


def test_without_the_pool_the_stage_runs_in_place_and_says_so(trained: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(trained, workspace, symlinks=True, ignore=shutil.ignore_patterns("mlflow", "logs"))
    (workspace / "mlflow").mkdir()
    ask_for_pool(workspace)
    set_params(workspace, {"models.linear.ridge": 0.5})
    said = run_in(workspace, "tidegate", "run").stdout
    assert "train@linear           asks for pool gpu, which is not here: it runs in place" in said
    assert "train@linear           fitted at once" in said


def test_a_lock_of_another_version_is_refused_in_one_sentence(trained: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(trained, workspace, symlinks=True, ignore=shutil.ignore_patterns("mlflow", "logs"))
    lock = workspace / "dvc.lock"
    lock.write_text(lock.read_text().replace("schema: '2.0'", "schema: '9.0'"))
    refused = run_in(workspace, "tidegate", "run", check=False)
    assert refused.returncode == 2 and "dvc.lock" in refused.stderr and len(refused.stderr.splitlines()) == 1


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
