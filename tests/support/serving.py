"""`tidegate serve` as a process, and its clients."""

import http.client
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from workspaces import begun

from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.tracking import registry

JSON, CSV = "application/json", "text/csv"
FEATURES = ["temperature", "humidity", "pressure", "wind_speed"]


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The sentence of a refusal, which is one line."""
        message: str = self.content["message"]
        assert len(message.splitlines()) == 1 and len(message) < 300
        return message


@dataclass(frozen=True)
class Service:
    """A running service."""

    port: int
    process: "subprocess.Popen[str] | None" = None

    def ask(self, path: str = "/forecast", body: Any = None, kind: str = JSON, **headers: str) -> Answer:
        """Ask by GET, or by POST where there is a body, and by an iterable in pieces without a length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path, body, {"Content-Type": kind, **headers})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        lines = self.ask("/metrics").body.decode().splitlines()
        return float(next((line.split()[-1] for line in lines if line.startswith(name)), "0"))


@contextmanager
def serving(workspace: Path, *options: str, **env: str) -> Iterator[Service]:
    """`tidegate serve` in a workspace, on a free port, until the end of the block."""
    process = begun(workspace, "-m", "tidegate", "serve", "--port", "0", *options, **env)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Ready at http://127.0.0.1:"), line
        yield Service(int(line.split(":")[2]), process)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def recent_rows(workspace: Path, hours: int = 48) -> pd.DataFrame:
    """The newest rows of a workspace's measurements."""
    clean = long_frame.read_frame(workspace / "artifacts" / "clean.parquet")
    newest = clean[clean["time"] > clean["time"].max() - hours * pd.Timedelta("1h")]
    return newest[["station", "time", *FEATURES]].reset_index(drop=True)


def as_json(rows: pd.DataFrame, orient: str = "records") -> Any:
    return json.loads(rows.to_json(orient=orient, date_format="iso", double_precision=15))


def forecaster_of(workspace: Path, version: str) -> Forecaster:
    """The forecaster of a registered version."""
    with chdir(workspace):
        return Forecaster.load(*registry.version_files(registry.get_version("tidegate", version)))


def as_frame(records: Sequence[Any]) -> pd.DataFrame:
    """Forecasts of an answer, with the types of those of a forecaster."""
    frame = pd.DataFrame(records)
    numbers = {name: "float32" for name in frame.columns if name.startswith("q0.") or name == "forecast"}
    times = {name: pd.to_datetime(frame[name]) for name in ("origin", "time")}
    return frame.assign(**times).astype(numbers)
