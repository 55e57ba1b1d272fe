"""A team's set-up as processes: PostgreSQL, an object store, MLflow, Prefect, two workers in two clones of a workspace.

Without PostgreSQL on this machine the two servers keep their databases in SQLite.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
import pytest
from servers import (
    KEYS,
    PROGRAMS,
    Door,
    create_database,
    free_ports,
    mlflow_server,
    object_store,
    postgres,
    prefect_server,
    process,
    until,
)
from workspaces import ask_for_pool, begun, copy_workspace, run_in, set_params

from tidegate.workspace.paths import read_json

pytestmark = [pytest.mark.slow, pytest.mark.long]
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@dataclass(frozen=True)
class Team:
    """A workspace, two clones with a worker each, and the doors to what they share."""

    home: Path
    clones: list[Path]
    env: dict[str, str]
    doors: dict[str, Door]
    bucket: "object"
    database: str  # PostgreSQL's address; empty where there is none


@pytest.fixture(scope="module")
def team(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    home = copy_workspace(template, folder / "home")
    ports = dict(zip(("store", "mlflow", "prefect"), free_ports(3), strict=True))
    doors = {name: Door(port) for name, port in ports.items()}
    address = {name: f"http://127.0.0.1:{door.port}" for name, door in doors.items()}
    with ExitStack() as stack:
        database, runs, flows = "", "", {"PREFECT_HOME": str(home / ".prefect")}
        if PROGRAMS:
            database = stack.enter_context(postgres())
            create_database(database, "mlflow")
            create_database(database, "prefect")
            runs = f"postgresql+psycopg2://{database}/mlflow"
            flows["PREFECT_API_DATABASE_CONNECTION_URL"] = f"postgresql+asyncpg://{database}/prefect"
        store = stack.enter_context(object_store(folder / "store", ports["store"], "dvc", "mlflow"))
        # The tracking server alone has the keys of its bucket.
        stack.enter_context(
            mlflow_server(folder / "mlflow", ports["mlflow"], runs, "s3://mlflow", MLFLOW_S3_ENDPOINT_URL=store, **KEYS)
        )
        stack.enter_context(prefect_server(home, ports["prefect"], **flows))
        ask_for_pool(home)
        for key, value in (("url", "s3://dvc/tidegate"), ("endpointurl", address["store"])):
            run_in(home, "dvc", "remote", "modify", "embedded", key, value)
        git(home, "commit", "-qam", "share")
        env = {
            "PREFECT_API_URL": f"{address['prefect']}/api",
            "PREFECT_HOME": str(home / ".prefect"),
            "MLFLOW_TRACKING_URI": address["mlflow"],
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            **QUICK,
            **KEYS,
        }
        for pool in ("tidegate", "gpu"):
            run_in(home, "python", "-m", "prefect", "work-pool", "create", pool, "--type", "process", **env)
        run_in(home, "python", "-m", "prefect", "--no-prompt", "deploy", "--all", **env)
        clones = [folder / "first", folder / "second"]
        for clone in clones:
            git(folder, "clone", "-q", str(home), clone.name)
            words = ("worker", "start", "--pool", "gpu", "--limit", "1", "--name", clone.name)
            stack.enter_context(process(clone, "prefect", *words, TIDEGATE_HOME=str(clone), **env))
        listing = ("-m", "prefect", "work-pool", "inspect", "gpu")
        until(lambda: "READY" in run_in(home, "python", *listing, **env).stdout)
        secret = {key.lower(): value for key, value in KEYS.items() if "KEY" in key}
        yield Team(home, clones, env, doors, boto3.resource("s3", endpoint_url=store, **secret), database)


def test_two_workers_train_side_by_side_and_the_lock_is_that_of_a_local_run(team: Team, trained: Path) -> None:
    printed = run_in(team.home, "tidegate", "run", **team.env).stdout
    for name in ("seasonal_naive", "linear", "rnn", "lstm", "gru"):
        assert f"train@{name}".ljust(22) + " ran in pool gpu" in printed
    assert (team.home / "dvc.lock").read_text() == (trained / "dvc.lock").read_text()
    made = [{path.name for path in (clone / "artifacts" / "models").iterdir()} for clone in team.clones]
    assert all(made) and made[0] | made[1] == {"seasonal_naive", "linear", "rnn", "lstm", "gru"}
    for clone in team.clones:  # they are left as they were
        assert git(clone, "status", "--porcelain", "--untracked-files=no") == "" and not (clone / "dvc.lock").exists()
    assert "up to date" in run_in(team.home, "dvc", "repro", **team.env).stdout
    assert read_json(team.home / "artifacts" / "registration.json")["promoted"]
    kept = {name: [found.key for found in team.bucket.Bucket(name).objects.all()] for name in ("dvc", "mlflow")}
    assert any(key.startswith("tidegate/runs/") for key in kept["dvc"])
    assert any(key.endswith("model.json") for key in kept["mlflow"]) and any(".png" in key for key in kept["mlflow"])
    assert [path.name for path in (team.home / "mlflow").iterdir()] == ["README.md"]
    run_in(team.home, "tidegate", "forecast", **{**team.env, "AWS_SECRET_ACCESS_KEY": "none"})  # by the server's keys


def test_a_worker_at_another_commit_is_named(team: Team) -> None:
    set_params(team.home, {"models.linear.ridge": 0.25})
    git(team.home, "commit", "-qam", "other settings")
    set_params(team.home, {"models.linear.ridge": 0.75})  # travels without a commit
    done = run_in(team.home, "tidegate", "run", check=False, **team.env)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "train@linear failed in pool gpu" in done.stderr and "fetch and check that out there" in done.stderr
    for clone in team.clones:
        git(clone, "pull", "-q")
    printed = run_in(team.home, "tidegate", "run", **team.env).stdout
    assert "train@linear           ran in pool gpu" in printed and "train@gru" not in printed


def test_without_an_object_store_the_run_says_so_and_the_next_goes_on(team: Team) -> None:
    set_params(team.home, {"models.linear.ridge": 0.1})
    team.doors["store"].shut()
    done = run_in(team.home, "tidegate", "run", check=False, **team.env)
    team.doors["store"].open()
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "The DVC remote s3://dvc/tidegate does not" in done.stderr
    assert "train@linear           ran in pool gpu" in run_in(team.home, "tidegate", "run", **team.env).stdout


def test_a_prefect_server_that_goes_away_for_a_while_ends_no_run(team: Team) -> None:
    set_params(team.home, {"models.gru.units": 5})
    run = begun(team.home, "-m", "tidegate", "run", until="ingest", **team.env)
    team.doors["prefect"].shut()
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(12)
    team.doors["prefect"].open()
    printed, _ = run.communicate(timeout=240)
    assert run.returncode == 0 and "train@gru              ran in pool gpu" in printed


def test_a_worker_trains_while_mlflow_is_away_and_sends_its_record_later(team: Team) -> None:
    set_params(team.home, {"models.gru.units": 6})
    team.doors["mlflow"].shut()
    done = run_in(team.home, "tidegate", "run", check=False, **team.env)
    assert done.returncode == 1 and "MLflow's store at http://127.0.0.1" in done.stderr
    kept = [list((clone / ".tidegate" / "unsent").glob("*.json")) for clone in team.clones]
    assert sum(map(len, kept)) == 1
    team.doors["mlflow"].open()
    printed = run_in(team.home, "tidegate", "run", **team.env).stdout
    assert "evaluate" in printed and "train@gru" not in printed


def test_a_stage_whose_machine_dies_is_done_by_another(team: Team) -> None:
    set_params(team.home, {"models.gru.units": 7, "train.epochs": 30, "train.patience_epochs": 30})
    run = begun(team.home, "-m", "tidegate", "run", **team.env)
    until(lambda: _checkpoints(team), 240)
    dead = _checkpoints(team)[0].parents[2]
    for one in [one for one in psutil.process_iter() if _stands_in(one, dead)]:  # its worker, and what that has begun
        one.kill()
    printed, _ = run.communicate(timeout=500)
    assert run.returncode == 0 and "train@gru              ran in pool gpu" in printed
    (other,) = [clone for clone in team.clones if clone != dead]
    assert (other / "artifacts" / "models" / "gru").exists()


def _checkpoints(team: Team) -> list[Path]:
    return [path for clone in team.clones for path in (clone / ".tidegate").rglob("gru-*.npz")]


def _stands_in(one: psutil.Process, folder: Path) -> bool:
    try:
        return Path(one.cwd()) == folder
    except (psutil.Error, OSError):
        return False


def test_a_pool_without_a_worker_is_named_with_the_command_that_starts_one(team: Team, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(team.home, home, symlinks=True)
    run_in(home, "python", "-m", "prefect", "work-pool", "create", "empty", "--type", "process", **team.env)
    (home / "dvc.yaml").write_text((home / "dvc.yaml").read_text().replace("pool: gpu", "pool: empty"))
    set_params(home, {"models.linear.ridge": 0.2})
    refused = run_in(home, "tidegate", "run", check=False, **team.env)
    assert refused.returncode == 2 and "The pool empty serves no flow staging" in refused.stderr
    (home / "prefect.yaml").write_text((home / "prefect.yaml").read_text().replace("name: gpu", "name: empty"))
    git(home, "commit", "-qam", "another pool")
    run_in(home, "python", "-m", "prefect", "--no-prompt", "deploy", "-n", "staging/stage", **team.env)
    refused = run_in(home, "tidegate", "run", check=False, **team.env)
    assert refused.returncode == 2 and "prefect worker start --pool empty" in refused.stderr
    assert "Waiting for a worker of pool empty" in refused.stdout


def test_the_stores_of_a_team_restored_elsewhere_give_the_champion_back(team: Team, tmp_path: Path) -> None:
    if not team.database:
        pytest.skip("PostgreSQL is not installed here (Debian's package postgresql)")
    run_in(team.home, "dvc", "push", **team.env)
    account, _, host = team.database.rpartition("@")
    place = ["-h", host.split(":")[0], "-p", host.split(":")[1], "-U", account.split(":")[0]]
    subprocess.run([PROGRAMS[-1] / "pg_dump", *place, "-f", tmp_path / "mlflow.sql", "mlflow"], check=True)
    create_database(team.database, "restored")
    words = [
        PROGRAMS[-1] / "psql",
        *place,
        "-q",
        "-o",
        tmp_path / "psql.log",
        "-f",
        tmp_path / "mlflow.sql",
        "restored",
    ]
    subprocess.run(words, check=True)
    restored = team.bucket.create_bucket(Bucket="restored")
    for kept in team.bucket.Bucket("mlflow").objects.all():
        restored.copy({"Bucket": "mlflow", "Key": kept.key}, kept.key)
    home = tmp_path / "home"
    git(tmp_path, "clone", "-q", str(team.home), "home")
    for name in ("params.yaml", "data.dvc", "dvc.lock"):
        shutil.copy(team.home / name, home / name)
    team.doors["mlflow"].shut()
    address, (port,) = f"postgresql+psycopg2://{team.database}/restored", free_ports(1)
    store = {"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{team.doors['store'].port}", **KEYS}
    with mlflow_server(tmp_path / "mlflow", port, address, "s3://restored", **store) as url:
        env = {**team.env, "MLFLOW_TRACKING_URI": url}
        run_in(home, "dvc", "pull", "--allow-missing", **env)
        assert "18 new rows" in run_in(home, "tidegate", "forecast", **env).stdout
    team.doors["mlflow"].open()
