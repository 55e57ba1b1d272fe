"""Real servers on loopback, for the length of a block: PostgreSQL, an object store, MLflow, Prefect."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from workspaces import ENVIRONMENT

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
KEYS = {"AWS_ACCESS_KEY_ID": "tide", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_DEFAULT_REGION": "us-east-1"}


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def ask_prefect(api: str, path: str, body: object) -> Any:
    """Ask Prefect's server; like its own clients, ask again while it answers that its database is busy (503)."""
    request = urllib.request.Request(f"{api}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def until(ready: Callable[[], object], seconds: float = 90, pause: float = 0.3) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(pause)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@contextmanager
def process(folder: Path, *words: str, health: str = "", **env: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A module of this environment as a process in a group of its own, ready once its address answers."""
    folder.mkdir(exist_ok=True)
    with (folder / f"{words[0]}-{words[1]}.log").open("a") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=folder, env={**ENVIRONMENT, **env},
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            if health:
                until(lambda: answers(health))
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
                try:
                    running.wait(30)
                except subprocess.TimeoutExpired:  # a Prefect worker while its server is away, now and then
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait(30)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server with the user tide; its address up to the database's name."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed here (Debian's package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    own = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        own = ["runuser", "-u", "postgres", "--"]
    (port,) = free_ports(1)
    initdb = [*own, PROGRAMS[-1] / "initdb", "-A", "trust", "-U", "tide", "-D", folder / "data"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    words = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*own, PROGRAMS[-1] / "postgres", "-D", folder / "data", *words], cwd=folder, stderr=log
        )
    try:
        ready = [PROGRAMS[-1] / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(ready, capture_output=True).returncode == 0)
        yield f"tide:secret@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


def create_database(address: str, name: str) -> None:
    """Make a database of a PostgreSQL server."""
    from sqlalchemy import create_engine, text

    engine = create_engine(f"postgresql+psycopg2://{address}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()


@contextmanager
def object_store(folder: Path, port: int, *buckets: str) -> Iterator[str]:
    """A server that speaks S3, in memory, with some buckets; its address."""
    import boto3

    url = f"http://127.0.0.1:{port}"
    with process(folder, "moto.server", "-p", str(port), health=f"{url}/moto-api/"):
        client = boto3.client("s3", endpoint_url=url, **{key.lower(): value for key, value in KEYS.items()
                              if key != "AWS_DEFAULT_REGION"}, region_name="us-east-1")  # fmt: skip
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield url


@contextmanager
def mlflow_server(folder: Path, port: int, store: str = "", files: str = "", **env: str) -> Iterator[str]:
    """A tracking server that keeps runs in a database and hands out files itself; its address."""
    url = f"http://127.0.0.1:{port}"
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", store or f"sqlite:///{folder}/store.db"]
    words += ["--artifacts-destination", files or f"{folder}/files"]
    with process(folder, "mlflow", "server", *words, health=f"{url}/health", **env):
        yield url


@contextmanager
def prefect_server(folder: Path, port: int, **env: str) -> Iterator[str]:
    """A Prefect server; the address of its API."""
    url = f"http://127.0.0.1:{port}/api"
    words = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    with process(folder, *words, health=f"{url}/health", PREFECT_API_URL=url, **env):
        yield url


class Door:
    """An address that leads to another, and can be shut: a service that is away, and comes back."""

    def __init__(self, target: int) -> None:
        """Open it, on a port of its own."""
        self.target, self.is_open, self.through = target, True, list[socket.socket]()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def shut(self) -> None:
        """Cut what goes through, and let nothing new in."""
        self.is_open = False
        for end in self.through:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Let in again."""
        self.is_open, self.through = True, []

    def _listen(self) -> None:
        while True:
            come, _ = self.listening.accept()
            with suppress(OSError):
                if not self.is_open:
                    come.close()
                    continue
                gone = socket.create_connection(("127.0.0.1", self.target))
                self.through += [come, gone]
                for one, other in ((come, gone), (gone, come)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(65536):
                other.sendall(part)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
