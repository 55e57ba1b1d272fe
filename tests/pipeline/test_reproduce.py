"""A registered model is made again from its commit and data, and compared to the byte."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, refused
from workspaces import copy_workspace, run_in, set_params

from tidegate.tracking import runs
from tidegate.tracking.store import open_client
from tidegate.workspace import identity

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registered(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained workspace with a registry of its own; the last test spoils it."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("registered") / "workspace", "mlflow", "logs")
    (copy / "mlflow").mkdir()
    invoke(copy, "evaluate")
    invoke(copy, "register")
    return copy


@pytest.fixture
def here(registered: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That copy, to stand in."""
    monkeypatch.chdir(registered)
    return registered


def state(workspace: Path) -> list[str]:
    """What must not change: tracked files, the lock, and the versions."""
    status = subprocess.run(["git", "status", "--short"], cwd=workspace, capture_output=True, text=True, check=True)
    versions = [version.version for version in open_client().search_model_versions("name = 'tidegate'")]
    return [status.stdout, identity.folder_digest(workspace / "artifacts"), *versions]


def test_the_champion_is_made_again_to_the_byte_and_nothing_else_changes(here: Path) -> None:
    before = state(here)
    done = invoke(here, "reproduce", "champion")
    assert "was made again: identical to the byte, and so are its scores" in done.stdout
    assert state(here) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [(("9",), "is no version of tidegate and no run of one; there are 1"), (("gru",), "'gru' is no version")],
)
def test_an_unknown_reference_is_refused(here: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused(here, "reproduce", *words)


@pytest.mark.long
def test_a_model_of_a_changed_tree_is_made_again_from_the_changes_that_were_kept(here: Path) -> None:
    set_params(here, {"models.linear.ridge": 0.02})
    run_in(here, "tidegate", "run")
    assert open_client().get_model_version("tidegate", "2").tags["tidegate.dirty"] == "true"
    subprocess.run(["git", "checkout", "-q", "params.yaml"], cwd=here, check=True)
    assert "version 2 (linear) was made again: identical" in run_in(here, "tidegate", "reproduce", "2").stdout


@pytest.mark.long
def test_where_and_by_how_much_it_parts_is_said(here: Path) -> None:
    version = open_client().get_model_version("tidegate", "1")
    stored = [found for found in Path("mlflow/artifacts").rglob("*.npz") if found.parent.name == "linear"]
    path = next(found for found in stored if identity.folder_digest(found.parent) == version.tags[runs.DIGEST])
    with np.load(path) as arrays:
        changed = {name: arrays[name] + (0.001 if arrays[name].dtype.kind == "f" else 0) for name in arrays}
    path.unlink()  # other workspaces share the file
    np.savez(path, **changed)
    folder = identity.folder_digest(path.parent)
    open_client().set_model_version_tag("tidegate", "1", runs.DIGEST, folder)
    run_id = runs.find_run("linear", version.tags["tidegate.data"], version.tags[runs.DIGEST])
    assert run_id is not None
    open_client().set_tag(run_id, runs.DIGEST, folder)
    done = run_in(here, "tidegate", "reproduce", "1").stdout
    assert f"it is not identical; {path.name} parts by at most 0.001" in " ".join(done.split())


def test_data_or_a_commit_that_are_gone_are_named(here: Path) -> None:
    # The last of the file: it spoils the workspace that all tests here share.
    client = open_client()
    shutil.rmtree(".dvc/cache")
    shutil.rmtree(".dvc/storage", ignore_errors=True)
    assert "neither in DVC's cache nor in its remote" in refused(here, "reproduce", "1")
    client.set_model_version_tag("tidegate", "1", "tidegate.commit", "0" * 40)
    assert f"Commit {'0' * 40} is not in this repository" in refused(here, "reproduce", "1")
    client.set_model_version_tag("tidegate", "1", "tidegate.dirty", "true")
    for path in Path("mlflow/artifacts").rglob("changes.patch"):
        path.unlink()
    assert "neither committed nor kept" in refused(here, "reproduce", "1")
