"""Stages in other clones: two workers, a real Prefect server, a shared remote, and the lock of a local run."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from test_cli import free_ports
from workspaces import ENVIRONMENT, make_workspace, run_in, set_params

from tidegate import elsewhere
from tidegate.artifacts import read_json
from tidegate.elsewhere import Parcel
from tidegate.errors import ServiceError, UserError

pytestmark = pytest.mark.slow


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def ask_for_pool(workspace: Path) -> None:
    """Let training ask for the pool gpu."""
    yaml, path = YAML(), workspace / "dvc.yaml"
    content = yaml.load(path)
    content["stages"]["train"]["do"]["meta"]["pool"] = "gpu"
    yaml.dump(content, path)


@contextmanager
def process(folder: Path, *words: str, **env: str) -> Iterator[None]:
    with (folder / f"{words[0]}.log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words], cwd=folder, env={**ENVIRONMENT, **env},
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            os.killpg(running.pid, 15)
            running.wait(30)


def until(ready: "object", seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.5)


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Path], dict[str, str]]]:
    """A workspace, two clones of it with a worker each, a remote that all three share, a server: and its address."""
    folder = tmp_path_factory.mktemp("team")
    home = make_workspace(folder / "home")
    ask_for_pool(home)
    run_in(home, "dvc", "remote", "modify", "embedded", "url", str(folder / "remote"))
    git(home, "commit", "-qam", "share")
    clones = [folder / "first", folder / "second"]
    for clone in clones:
        git(folder, "clone", "-q", str(home), clone.name)
    (port,) = free_ports(1)
    env = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(home / ".prefect")}
    with ExitStack() as stack:
        stack.enter_context(process(home, "server", "start", "--host", "127.0.0.1", "--port", str(port), **env))
        until(lambda: healthy(env["PREFECT_API_URL"]))
        for pool in ("tidegate", "gpu"):
            run_in(home, "python", "-m", "prefect", "work-pool", "create", pool, "--type", "process", **env)
        run_in(home, "python", "-m", "prefect", "--no-prompt", "deploy", "--all", **env)
        for clone in clones:
            words = ("worker", "start", "--pool", "gpu", "--limit", "1", "--name", clone.name)
            stack.enter_context(process(clone, *words, **env, TIDEGATE_HOME=str(clone)))
        listing = ("-m", "prefect", "work-pool", "inspect", "gpu")
        until(lambda: "READY" in run_in(home, "python", *listing, **env).stdout)
        yield home, clones, env


def test_two_workers_train_side_by_side_and_the_lock_is_that_of_a_local_run(
    team: tuple[Path, list[Path], dict[str, str]], trained: Path
) -> None:
    home, clones, env = team
    said = run_in(home, "tidegate", "run", **env).stdout
    for name in ("seasonal_naive", "linear", "rnn", "lstm", "gru"):
        assert f"train@{name}".ljust(22) + " ran in pool gpu" in said
    assert (home / "dvc.lock").read_text() == (trained / "dvc.lock").read_text()
    made = [{path.name for path in (clone / "artifacts" / "models").iterdir()} for clone in clones]
    assert all(made) and made[0] | made[1] == {"seasonal_naive", "linear", "rnn", "lstm", "gru"}
    for clone in clones:  # they are left as they were
        assert git(clone, "status", "--porcelain", "--untracked-files=no") == "" and not (clone / "dvc.lock").exists()
    assert "up to date" in run_in(home, "dvc", "repro").stdout
    assert read_json(home / "artifacts" / "registration.json")["promoted"]


def test_changed_settings_travel_without_a_commit(team: tuple[Path, list[Path], dict[str, str]]) -> None:
    home, _, env = team
    set_params(home, {"models.linear.ridge": 0.25})
    said = run_in(home, "tidegate", "run", **env).stdout
    assert "train@linear           ran in pool gpu" in said and "train@gru" not in said


def test_a_worker_at_another_commit_is_named(team: tuple[Path, list[Path], dict[str, str]]) -> None:
    home, clones, env = team
    git(home, "commit", "-qam", "other settings")
    set_params(home, {"models.linear.ridge": 0.75})
    done = run_in(home, "tidegate", "run", **env, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "train@linear failed in pool gpu" in done.stderr and "fetch and check that out there" in done.stderr
    for clone in clones:
        git(clone, "pull", "-q")
    assert "train@linear           ran in pool gpu" in run_in(home, "tidegate", "run", **env).stdout


def test_without_the_pool_the_stage_runs_in_place_and_says_so(trained: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(trained, workspace, symlinks=True, ignore=shutil.ignore_patterns("mlflow", "logs"))
    (workspace / "mlflow").mkdir()
    ask_for_pool(workspace)
    set_params(workspace, {"models.linear.ridge": 0.5})
    said = run_in(workspace, "tidegate", "run").stdout
    assert "train@linear           asks for pool gpu, which has no worker here: it runs in place" in said
    assert "train@linear           fitted at once" in said


def test_code_that_no_commit_holds_is_not_sent(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    set_params(workspace, {"train.seed": 5})  # travels as it stands
    assert "seed: 5" in elsewhere.pack().files["params.yaml"]
    with (workspace / "models" / "naive.py").open("a") as code:
        code.write("# changed\n")
    with pytest.raises(UserError, match=r"models/naive\.py has changed since the last commit"):
        elsewhere.pack()


def test_a_clone_gets_its_own_files_back(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    own, parcel = Path("params.yaml").read_text(), elsewhere.pack()
    other = Parcel(parcel.commit, {**parcel.files, "params.yaml": "x: 1\n", "dvc.lock": "schema: '2.0'\n"})
    with pytest.raises(RuntimeError), elsewhere.unpacked(other):
        assert Path("params.yaml").read_text() == "x: 1\n" and Path("dvc.lock").exists()
        raise RuntimeError
    assert Path("params.yaml").read_text() == own and not Path("dvc.lock").exists()
    with pytest.raises(ServiceError, match="is at commit"), elsewhere.unpacked(Parcel("0" * 40, {})):
        pass
