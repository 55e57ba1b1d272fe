"""Prefect's and MLflow's servers on this machine, as child processes on loopback that end with this process."""

import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import httpx
from ruamel.yaml import YAML

from tidegate.errors import ServiceError, UserError
from tidegate.pipeline.console import terminal
from tidegate.workspace.paths import (
    MLFLOW,
    MLFLOW_SERVER,
    PIPELINE,
    PREFECT_HOME,
    PREFECT_SERVER,
    read_json,
    write_json,
)
from tidegate.workspace.progress import Progress

HOST = "127.0.0.1"
POOL = "tidegate"  # the work pool of the flows, as prefect.yaml names it
START_SECONDS = 120
STOP_SECONDS = 15  # after each signal
R = TypeVar("R")


@contextmanager
def flow_module(name: str) -> Iterator[Any]:
    """Give a module of flows/ and a Prefect server to run it; at the end, wait until all messages are sent."""
    with prefect_api() as wait_until_ready:
        module = import_module(f"flows.{name}")  # while the server starts
        wait_until_ready()
        try:
            yield module
        finally:
            import_module("flows.tasks").drain()


def run_with_runner(work: Callable[[], R]) -> R:
    """Do a stage's work, with its groups of stations in parallel if params.yaml names a runner; give its result."""
    from tidegate.pipeline import drive

    if drive.checked_settings().runner == "none":
        return work()
    with flow_module("fanout") as flow:
        result: R = flow.with_parallel_groups(work)
        return result


@contextmanager
def prefect_api() -> Iterator[Callable[[], str]]:
    """Provide a Prefect server: the one that PREFECT_API_URL names, the workspace's running one, or a new one.

    Yields a function that waits until the server answers, and gives its address; a new server starts in the background.
    """
    url = os.environ.get("PREFECT_API_URL") or _running_server()
    if url:
        with _environment(PREFECT_API_URL=url):
            yield lambda: url
        return
    with prefect_server(_free_port()) as wait_until_ready:
        yield wait_until_ready


@contextmanager
def prefect_server(port: int) -> Iterator[Callable[[], str]]:
    """Start the workspace's own Prefect server; yield a function that waits until it answers."""
    if running := _running_server():
        raise UserError(f"A Prefect server of this workspace already runs at {running}: wait for it, or stop it.")
    url = f"http://{HOST}:{port}/api"
    PREFECT_HOME.mkdir(exist_ok=True)
    command = [*_python("prefect"), "server", "start", "--host", HOST, "--port", str(port)]
    with (
        _environment(PREFECT_HOME=str(PREFECT_HOME.absolute()), PREFECT_API_URL=url),
        child_process(command) as process,
    ):
        write_json(PREFECT_SERVER, {"url": url, "pid": process.pid})
        try:

            def wait_until_ready() -> str:
                wait_for("Prefect's server", process, lambda: _answers(f"{url}/health"))
                return url

            yield wait_until_ready
        finally:
            PREFECT_SERVER.unlink(missing_ok=True)


@contextmanager
def all_servers(prefect_port: int, mlflow_port: int, progress: Progress) -> Iterator[tuple[str, str]]:
    """Start Prefect's and MLflow's servers and a worker for the deployments; yield the servers' addresses."""
    for port, option in ((prefect_port, "--prefect-port"), (mlflow_port, "--mlflow-port")):
        _check_free(port, option)
    address = f"http://{HOST}:{mlflow_port}"
    store = f"sqlite:///{(MLFLOW / 'mlflow.db').absolute()}"
    mlflow = [*_python("mlflow"), "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1"]
    mlflow += [
        "--backend-store-uri",
        store,
        "--artifacts-destination",
        (MLFLOW / "artifacts").absolute().as_uri(),
    ]
    with ExitStack() as stack:
        wait_for_prefect = stack.enter_context(prefect_server(prefect_port))
        with _environment(MLFLOW_DISABLE_TELEMETRY="true"):  # what its pages say of telemetry is up to the browser
            tracking = stack.enter_context(child_process(mlflow))
        progress(0, 4, "Prefect's server")
        url = wait_for_prefect()
        progress(1, 4, "deployments")
        asked = asked_pools()
        # A pool that no stage asks for has no worker: its deployment would stand there as not ready.
        names = [entry["name"] for entry in _deployments() if entry["work_pool"]["name"] in (POOL, *asked)]
        _prefect(
            *(f"work-pool create {shlex.quote(pool)} --type process --overwrite" for pool in (POOL, *asked)),
            f"work-pool set-concurrency-limit {POOL} 1",  # a workspace has one data/ and one dvc.lock
            f"--no-prompt deploy {' '.join(f'--name {shlex.quote(name)}' for name in names)}",
        )
        worker = stack.enter_context(child_process([*_python("prefect"), "worker", "start", "--pool", POOL]))
        progress(2, 4, "MLflow's server")
        wait_for("MLflow's server", tracking, lambda: _answers(f"{address}/health"))
        progress(3, 4, "the worker")
        wait_for("The worker", worker, lambda: _worker_online(url))
        write_json(MLFLOW_SERVER, {"url": address, "pid": tracking.pid})
        stack.callback(MLFLOW_SERVER.unlink, missing_ok=True)
        yield url.removesuffix("/api"), address


@contextmanager
def child_process(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a child process in its own process group, its output in the log; stop the group at the end."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_parent)
    try:
        yield process
    finally:
        _stop(process)


def wait_for(name: str, process: "subprocess.Popen[bytes]", ready: Callable[[], bool]) -> None:
    """Wait until a child process is ready.

    Raises:
        ServiceError: the process ended, or is not ready in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise ServiceError(f"{name} ended with code {process.returncode}: its output is in {terminal.log}.")
        if time.monotonic() > deadline:
            raise ServiceError(f"{name} is not ready after {START_SECONDS} s: its output is in {terminal.log}.")
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process group, with stronger signals as long as it does not end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def _die_with_parent() -> None:
    """Ask Linux to end this child when its parent is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set environment variables within the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _prefect(*commands: str) -> None:
    """Run commands of Prefect's, one after the other."""
    done = subprocess.run([*_python("flows.commands"), *commands], stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ServiceError(f"A command of Prefect's failed ({'; '.join(commands)}): its output is in {terminal.log}.")


def asked_pools() -> list[str]:
    """List the work pools that stages of dvc.yaml ask for by `meta.pool`."""
    stages = YAML(typ="safe").load(PIPELINE)["stages"].values()
    metas = [stage.get("do", stage).get("meta") or {} for stage in stages]
    return sorted({str(meta["pool"]) for meta in metas if meta.get("pool")})


def _deployments() -> list[dict[str, Any]]:
    deployments: list[dict[str, Any]] = YAML(typ="safe").load(Path("prefect.yaml"))["deployments"]
    return deployments


def _running_server() -> str | None:
    """Give the address of the Prefect server that runs for this workspace, if there is one."""
    if not PREFECT_SERVER.exists():
        return None
    url: str = read_json(PREFECT_SERVER)["url"]
    return url if _answers(f"{url}/health") else None


def _answers(url: str) -> bool:
    """Say whether an address answers."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _worker_online(url: str) -> bool:
    try:
        workers = httpx.post(f"{url}/work_pools/{POOL}/workers/filter", json={}, timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return any(worker.get("status") == "ONLINE" for worker in workers)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UserError(
                f"Port {port} of {HOST} is taken: stop what listens there, or choose another with {option}."
            ) from None
