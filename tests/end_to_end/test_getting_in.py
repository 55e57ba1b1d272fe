"""Getting rows in, end to end: from every kind of source, corrected, stopped, spoilt, and on a full disk."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import refused
from http_services import Service
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from ingests import hashes, make, stored
from servers import create_database, postgres
from sqlalchemy import NullPool, create_engine, text
from workspaces import make_workspace, run_in, set_params

from tidegate.errors import SourceError, TidegateError
from tidegate.stages import ingest
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import Settings

SPOILT = "2024-03"  # the month that cannot be read
BEFORE, AFTER = "2024-02-01T00:10Z", "2024-04-29T00:10Z"
SECRET = "hunter22"
ONE_VARIABLE = {
    "dataset.variables": {"x": {"unit": "m"}},
    "dataset.targets": ["x"],
    "dataset.covariates": [],
}


def table_of(first: str, last: str) -> pd.DataFrame:
    """A row a day and station, known an hour after its time."""
    times = pd.date_range(first, last, tz="UTC")
    rows = pd.DataFrame({"time": [*times, *times], "station": np.repeat(["A", "B"], len(times))})
    rows["x"] = np.arange(len(rows)) / 4
    rows["known"] = rows["time"] + pd.Timedelta("1h")
    return rows.sort_values(["time", "station"], ignore_index=True)


ROWS = table_of("2024-01-01", "2024-04-28")


def iso(moments: pd.Series) -> pd.Series:
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


class Origin:
    """A place that rows come from; `put` makes these its rows."""

    options: dict[str, Any]

    def put(self, rows: pd.DataFrame) -> None:
        """Hold these rows, and no others."""
        raise NotImplementedError

    def spoil(self, rows: pd.DataFrame) -> None:
        """Hold these rows, in one month of which something cannot be read."""
        bad = rows.astype({"x": "object"})
        bad.loc[rows["time"].dt.strftime("%Y-%m").eq(SPOILT).idxmax(), "x"] = "soon"
        self.put(bad.assign(x=bad["x"].astype("str")))


class Files(Origin):
    """A CSV file a month."""

    source = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "in"
        self.folder.mkdir()
        self.options = {"paths": f"{self.folder}/*.csv", "station": "station", "time": "time"}

    def put(self, rows: pd.DataFrame) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for month, part in rows.assign(time=iso(rows["time"]), known=iso(rows["known"])).groupby(
            rows["time"].dt.strftime("%Y-%m")
        ):
            part.to_csv(self.folder / f"{month}.csv", index=False)


class Table(Origin):
    """A table of a database; SQLite's times are text, and PostgreSQL's are times."""

    source = "sql"

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, poolclass=NullPool)
        self.options = {"url": url, "table": "met", "station": "station", "time": "time"}

    def put(self, rows: pd.DataFrame) -> None:
        if self.engine.dialect.name == "sqlite":
            rows = rows.assign(time=iso(rows["time"]), known=iso(rows["known"]))
        rows.to_sql("met", self.engine, if_exists="replace", index=False)

    def drop(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DROP TABLE met"))


class Web(Origin):
    """A service that is asked for a span of time, and fails for one of them."""

    source = "http_json"

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.fails = False
        self.service = Service(self._reply)
        self.options = {
            "url": self.service.url + "?from={since}&to={until}", "station_at": "station", "time": "time",
            "start": "2024-01-01T00:00:00Z", "end": "now", "span_days": 31, "retries": 0,
        }  # fmt: skip

    def _reply(self, _: Service, query: dict[str, str]) -> Any:
        if self.fails and query["from"].startswith(SPOILT):
            return 500, {}, b"the disk of this service is broken"
        return [record for record in self.records if query["from"] <= record["time"] < query["to"]]

    def put(self, rows: pd.DataFrame) -> None:
        self.fails = False
        self.records = rows.assign(time=iso(rows["time"]), known=iso(rows["known"])).to_dict("records")

    def spoil(self, rows: pd.DataFrame) -> None:
        self.put(rows)
        self.fails = True


def close(service: Service) -> None:
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as address:
        create_database(address, "met")
        yield f"postgresql+psycopg2://{address.replace(':secret', '')}/met"


@pytest.fixture(params=["files", "sqlite", "postgresql", "http_json"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Origin]:
    if request.param == "files":
        yield Files(tmp_path)
    elif request.param == "http_json":
        web = Web()
        yield web
        close(web.service)
    else:
        sqlite = request.param == "sqlite"
        yield Table(f"sqlite:///{tmp_path}/met.db" if sqlite else request.getfixturevalue("server"))


Clock = Callable[[str], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets what time it is."""
    return lambda time: monkeypatch.setattr(pd.Timestamp, "now", lambda tz: pd.Timestamp(time).tz_convert(tz))


def reading(origin: Origin, folder: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> Settings:
    """Make a workspace that reads an origin, with the time at which a row was known or without it."""
    folder.mkdir()
    options = {**origin.options, "arrived": "known"} if told else origin.options
    return make(
        folder, monkeypatch, dataset__source=origin.source, dataset__options=options,
        **{place.replace(".", "__"): value for place, value in ONE_VARIABLE.items()},
    )  # fmt: skip


def corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows and those of another day; one of the day before is corrected."""
    more = pd.concat([rows, table_of("2024-04-29", "2024-04-29")], ignore_index=True)
    more.loc[len(rows) - 2, ["x", "known"]] = [-5.0, pd.Timestamp("2024-04-30T04:00Z")]
    return more


def sentence(error: pytest.ExceptionInfo[TidegateError]) -> str:
    said = str(error.value)
    assert "\n" not in said and said.endswith(".")
    return said


# What comes in


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_only_what_is_new_comes_in_and_what_it_replaces_is_kept(
    origin: Origin, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    folder = tmp_path / "workspace"
    chosen = reading(origin, folder, monkeypatch, told)

    def come(time: str) -> str:
        clock(time)
        return ingest.run(chosen, no_progress)

    origin.put(ROWS)
    assert f"{len(ROWS)} rows of 2 stations" in (said := come(AFTER)) and f"= {len(ROWS)} kept + 0" in said
    before = hashes(folder)
    said = come("2024-04-29T01:10Z")
    assert said.startswith("nothing new") or " = 0 kept + 0 superseded" in said
    assert hashes(folder) == before

    origin.put(more := corrected(ROWS))
    assert " = 2 kept + 1 superseded" in come("2024-04-30T05:10Z")
    assert stored(folder).sort_values(["time", "station"])["x"].tolist() == more["x"].tolist()
    versions = stored(folder, "revisions")
    assert versions["x"].tolist() == [ROWS["x"].iloc[-2], -5.0]
    assert str(versions["replaced"].iloc[0])[:16] == ("2024-04-30 04:00" if told else "2024-04-30 05:10")
    before = hashes(folder)
    come("2024-04-30T06:10Z")
    assert hashes(folder) == before


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_data_as_of_a_moment_hold_what_was_known_then_and_the_next_ingest_undoes_it(
    origin: Origin, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    folder = tmp_path / "workspace"
    chosen = reading(origin, folder, monkeypatch, told)
    for time, rows in ((AFTER, ROWS), ("2024-04-30T05:10Z", corrected(ROWS))):
        clock(time)
        origin.put(rows)
        ingest.run(chosen, no_progress)
    before = hashes(folder)
    ingest.run(chosen, no_progress, as_of=pd.Timestamp("2024-04-30T03:00Z"))
    then = stored(folder).sort_values(["time", "station"])
    day = then[then["time"] >= pd.Timestamp("2024-04-28", tz="UTC")]
    old = ROWS["x"].iloc[-2:].tolist()
    assert day["x"].tolist() == (old + table_of("2024-04-29", "2024-04-29")["x"].tolist() if told else old)
    assert hashes(folder) != before
    ingest.run(chosen, no_progress)
    assert hashes(folder) == before


# Stopped half-way


def staged(folder: Path) -> dict[Path, tuple[int, int]]:
    """Each piece that has been read whole, and when."""
    found = (folder / ".tidegate" / "incoming").glob("*/*/read.json")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


class Watch:
    """A report that remembers what was staged when it was last told of a piece."""

    def __init__(self, folder: Path, stop_at: int = -1) -> None:
        self.folder, self.stop_at, self.calls = folder, stop_at, 0
        self.staged: dict[Path, tuple[int, int]] = {}

    def __call__(self, done: float, total: float, note: str = "", loss: float | None = None) -> None:
        self.calls += 1
        self.staged = staged(self.folder)
        if self.calls == self.stop_at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("begun", [False, True], ids=["first", "later"])
def test_an_ingest_that_fails_half_way_goes_on_with_what_it_could_not_read(
    origin: Origin, begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def until_the_failure(name: str) -> Settings:
        chosen = reading(origin, tmp_path / name, monkeypatch, told=False)
        clock(BEFORE if begun else AFTER)
        if begun:
            origin.put(ROWS[ROWS["time"] < pd.Timestamp(BEFORE)])
            ingest.run(chosen, no_progress)
        clock(AFTER)
        return chosen

    folder = tmp_path / "stopped"
    chosen = until_the_failure("stopped")
    before = hashes(folder)
    origin.spoil(ROWS)
    with pytest.raises(TidegateError) as stopped:
        ingest.run(chosen, no_progress)
    assert any(word in sentence(stopped) for word in ("'soon'", "answers 500"))
    assert hashes(folder) == before and (folder / "data").exists() == begun
    assert len(read := staged(folder)) == 2 - (begun and isinstance(origin, Files))
    asked = list(origin.service.asked) if isinstance(origin, Web) else []
    origin.put(ROWS)
    ingest.run(chosen, watch := Watch(folder))
    assert read.items() < watch.staged.items()
    assert not (folder / ".tidegate" / "incoming").exists()
    if isinstance(origin, Web):
        once_more = origin.service.asked[len(asked) :]
        assert once_more[0] == asked[-1] and not set(asked[:-1]) & set(once_more)

    chosen = until_the_failure("never")
    origin.put(ROWS)
    ingest.run(chosen, no_progress)
    assert hashes(folder) == hashes(tmp_path / "never")


@pytest.mark.parametrize("stop_at", [1, 3, 4, 6], ids=["read one", "read three", "read all", "merged two"])
def test_an_ingest_that_is_interrupted_goes_on_where_it_was(
    origin: Origin, stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    clock(AFTER)
    origin.put(ROWS)
    folder = tmp_path / "stopped"
    chosen = reading(origin, folder, monkeypatch, told=True)
    with pytest.raises(KeyboardInterrupt):
        ingest.run(chosen, Watch(folder, stop_at))
    assert not (folder / "data").exists()
    assert len(read := staged(folder)) == min(stop_at, 4)
    ingest.run(chosen, watch := Watch(folder))
    assert read.items() <= watch.staged.items()
    ingest.run(reading(origin, tmp_path / "never", monkeypatch, told=True), no_progress)
    assert hashes(folder) == hashes(tmp_path / "never")


@pytest.mark.parametrize("origin", ["sqlite", "postgresql"], indirect=True)
def test_a_table_that_is_dropped_while_it_is_read_is_told_and_gone_on_with_once_it_is_back(
    origin: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def drop(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if done == 1:
            origin.drop()

    clock(AFTER)
    origin.put(ROWS)
    folder = tmp_path / "workspace"
    chosen = reading(origin, folder, monkeypatch, told=True)
    with pytest.raises(SourceError) as stopped:
        ingest.run(chosen, drop)
    assert "met" in sentence(stopped) and "ingest again" in sentence(stopped)
    assert not (folder / "data").exists()
    assert len(read := staged(folder)) == 2
    with pytest.raises(SourceError, match="There is no table met"):
        ingest.run(chosen, no_progress)
    origin.put(ROWS)
    ingest.run(chosen, watch := Watch(folder))
    assert read.items() < watch.staged.items()
    assert len(stored(folder)) == len(ROWS)


# In whatever files they come

VERSIONS = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(0, 5),  # hour
        st.integers(0, 9),  # hours until it was received: never twice the same for a station and hour
        st.sampled_from(["1", "2.5", ""]),
    ),
    min_size=1,
    max_size=16,
    unique_by=lambda version: version[:3],
)


def text_of(versions: list[tuple[str, int, int, str]]) -> str:
    """Write versions as CSV; their hours lie on both sides of the end of a month."""
    begin = pd.Timestamp("2024-01-31T21:00Z")
    lines = [
        f"{station},{begin + pd.Timedelta(hours=hour)},{x},{begin + pd.Timedelta(hours=hour + delay)}"
        for station, hour, delay, x in versions
    ]
    return "\n".join(["station,time,x,received", *lines, ""])


@contextlib.contextmanager
def bare_workspace(conflict: str) -> Iterator[tuple[Path, Settings]]:
    """A workspace for one example, which no fixture can make."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        folder = Path(name)
        (folder / "in").mkdir()
        options = {"paths": "in/*.csv", "station": "station", "time": "time", "arrived": "received"}
        yield folder, make(
            folder, monkeypatch, dataset__source="files", dataset__options=options, ingest__conflict=conflict,
            **{place.replace(".", "__"): value for place, value in ONE_VARIABLE.items()},
        )  # fmt: skip


@given(VERSIONS, st.randoms(use_true_random=False), st.integers(1, 5), st.sampled_from(["last", "first"]))
@examples(max_examples=12, deadline=None)
def test_rows_cut_into_files_in_any_order_and_repeated_come_to_the_bytes_of_one_file(
    versions: list[tuple[str, int, int, str]], random: Any, parts: int, conflict: str
) -> None:
    with bare_workspace(conflict) as (folder, chosen):
        (folder / "in" / "all.csv").write_text(text_of(versions))
        ingest.run(chosen, no_progress)
        once = hashes(folder)
    again = [*versions, *(version for version in versions if random.random() < 0.3)]
    random.shuffle(again)
    batches = [batch for place in range(parts) if (batch := again[place::parts])]
    names = random.sample("abcdefgh", len(batches))
    with bare_workspace(conflict) as (folder, chosen):
        for name, batch in zip(names, batches, strict=True):
            (folder / "in" / f"{name}.csv").write_text(text_of(batch))
            ingest.run(chosen, no_progress)
        assert hashes(folder) == once


# What the command says


def describe(workspace: Path, source: str, **options: object) -> None:
    set_params(workspace, {"dataset.source": source, "dataset.options": options, **ONE_VARIABLE})


def truncated(folder: Path) -> bytes:
    ROWS.to_parquet(folder / "whole.parquet")
    content = (folder / "whole.parquet").read_bytes()
    return content[: len(content) // 2]


HEADER = b"station,time,x\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.parquet", None, "in/a.parquet is not a readable Parquet file"),
        ("a.csv", HEADER + b"A,2024-01-01T00:00Z,1\nA,2024-01-01T01:00Z,1,9\n", "line 3: it has 4 fields"),
        ("a.csv", HEADER + b"A,2024-01-01T00:00Z,1\nstation,x,time\nA,1,2024-01-01T01:00Z\n", "line 3"),
        ("a.csv", HEADER + b"A,2024-01-01T00:00Z,1\nA,2024-01-01T01:00,1\n", "line 3: '2024-01-01T01:00' has no time"),
        ("a.csv", HEADER + "Köln,2024-01-01T00:00Z,1\n".encode() + "Köln,2024-01-01T01:00Z,1\n".encode("cp1252"),
         "line 3: it is not UTF-8 text, and other lines are"),
    ],
    ids=["truncated Parquet", "other columns", "another header", "mixed zones", "mixed encodings"],
)  # fmt: skip
def test_a_file_that_is_not_what_it_seems_is_told_in_one_sentence_and_leaves_no_trace(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes | None, words: str
) -> None:
    (workspace / "in").mkdir()
    (workspace / "in" / name).write_bytes(content or truncated(tmp_path_factory.mktemp("parquet")))
    describe(workspace, "files", paths="in/*", station="station", time="time")
    before = (workspace / "data.dvc").read_text()
    assert words in refused(workspace, "tidegate", "ingest")
    assert not list(workspace.glob("data*/")) and not staged(workspace)
    assert (workspace / "data.dvc").read_text() == before


def said_anywhere(workspace: Path, word: str) -> list[Path]:
    """The files of a workspace in which a word stands; these tests, and what they write, aside."""
    files = [path for path in workspace.rglob("*") if path.is_file() and not {".git", "tests"} & set(path.parts)]
    return [path for path in files if path.name != "params.yaml" and word.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("files", {"paths": f"http://me:{SECRET}@127.0.0.1:1/a.csv", "station": "station"}, "has a password"),
        ("sql", {"url": f"postgresql+psycopg2://me:{SECRET}@127.0.0.1:1/met", "table": "met"}, "holds a password"),
        ("sql", {"url": "postgresql+psycopg2://me:${MET_KEY}@127.0.0.1:1/met", "table": "met"}, "does not let us in"),
        ("http_json", {"url": f"http://me:{SECRET}@127.0.0.1:1/{{since}}", "stations": ["A"], "start": "2024-01-01"},
         "has a user or a password"),
    ],
    ids=["files", "sql", "sql, from the environment", "http_json"],
)  # fmt: skip
def test_a_password_in_an_address_is_repeated_nowhere(
    workspace: Path, source: str, options: dict[str, object], words: str
) -> None:
    describe(workspace, source, **options, time="time")
    done = run_in(workspace, "tidegate", "ingest", check=False, MET_KEY=SECRET)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stdout + done.stderr
    assert list((workspace / "logs").glob("*.log")) and not said_anywhere(workspace, SECRET)
    assert not (workspace / "data").exists()


@pytest.mark.slow
def test_a_key_that_a_service_repeats_stands_in_no_file(workspace: Path) -> None:
    service = Service(lambda service, _: (403, {}, f"not with {service.asked[-1]}".encode()))
    describe(
        workspace, "http_json", url=service.url + "/{since}?apikey=${MET_KEY}", stations=["A"],
        start="2024-01-01T00:00:00Z", time="time",
    )  # fmt: skip
    done = run_in(workspace, "tidegate", "ingest", check=False, MET_KEY=SECRET)
    close(service)
    assert SECRET in service.asked[0]
    assert done.returncode == 2 and "answers 403" in done.stderr and SECRET not in done.stdout + done.stderr
    assert not said_anywhere(workspace, SECRET)


# A full disk

MIB = 1 << 20


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A disk of its own for a folder; gives what makes it larger."""
    folder.mkdir(exist_ok=True)

    def mount(option: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", folder], capture_output=True, text=True)

    if not shutil.which("mount") or (done := mount(f"size={size}")).returncode:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip() if shutil.which('mount') else 'mount'})")
    try:
        yield lambda larger: mount(f"remount,size={larger}").check_returncode()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of a month each, which make 2 MB of noise each, wherever they are written."""
    folder, noise = tmp_path_factory.mktemp("much"), np.random.default_rng(7)
    for month in ("2024-01", "2024-02", "2024-03"):
        times = pd.date_range(month, periods=28 * 24 * 60, freq="min", tz="UTC")
        rows = [pd.DataFrame({"station": name, "time": times, "x": noise.random(len(times))}) for name in "ABCD"]
        pd.concat(rows).assign(known=pd.Timestamp("2024-05-01T00:00Z")).to_parquet(folder / f"{month}.parquet")
    return folder


def reading_much(workspace: Path, much: Path, months: str = "*") -> Path:
    """Describe those months as the source; they lie beside the workspace."""
    beside = workspace.parent / "in"
    beside.mkdir(exist_ok=True)
    for path in much.glob(f"{months}.parquet"):
        shutil.copy(path, beside)
    describe(workspace, "files", paths="../in/*.parquet", station="station", time="time", arrived="known")
    return workspace


@pytest.fixture(scope="module")
def with_room(much: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What data/ comes to where nothing is in the way."""
    (folder := tmp_path_factory.mktemp("with_room") / "workspace").mkdir()
    run_in(reading_much(make_workspace(folder), much), "tidegate", "ingest")
    return hashes(folder)


@pytest.fixture
def own_workspace(tmp_path: Path) -> Path:
    """A fresh workspace with room for files beside it."""
    (tmp_path / "workspace").mkdir()
    return make_workspace(tmp_path / "workspace")


def full(workspace: Path, said: str = "make room", **env: str) -> None:
    """Give the command where the disk is full."""
    done = run_in(workspace, "tidegate", "ingest", check=False, **env)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(lines) <= 2 and "Traceback" not in done.stdout + done.stderr
    assert "disk is" in lines[0] and said in lines[0] and lines[0].endswith("."), lines


def comes_in_at_last(workspace: Path, **env: str) -> dict[str, str]:
    """Give the command where there is room again; what data/ comes to, and all of it in DVC's cache."""
    run_in(workspace, "tidegate", "ingest", **env)
    assert "nothing new" in run_in(workspace, "tidegate", "ingest", **env).stdout
    assert "up to date" in run_in(workspace, "dvc", "status", "data.dvc").stdout
    assert not list(workspace.glob("data.*/"))
    return hashes(workspace)


@pytest.mark.slow
def test_what_has_been_read_is_gone_on_with_once_its_full_disk_has_room(
    own_workspace: Path, much: Path, with_room: dict[str, str]
) -> None:
    workspace = reading_much(own_workspace, much)
    with small_disk(workspace / ".tidegate", 5 * MIB) as resize:
        full(workspace)
        assert not list(workspace.glob("data*/"))
        assert len(read := staged(workspace)) == 2
        full(workspace)
        assert staged(workspace) == read
        resize(200 * MIB)
        assert comes_in_at_last(workspace) == with_room


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "begun"),
    [
        pytest.param(0, True, id="for no log"),
        pytest.param(1, False, id="for no piece", marks=pytest.mark.long),
        pytest.param(3, True, id="for one of two", marks=pytest.mark.long),
        pytest.param(5, False, id="for two of three", marks=pytest.mark.long),
        pytest.param(6, True, id="for one month", marks=pytest.mark.long),
        pytest.param(9, False, id="for one of three", marks=pytest.mark.long),
    ],
)
def test_a_workspace_on_a_full_disk_is_as_it_was_and_all_comes_in_once_there_is_room(
    tmp_path: Path, much: Path, with_room: dict[str, str], room: int, begun: bool
) -> None:
    workspace = tmp_path / "disk"
    with small_disk(workspace, 200 * MIB) as resize:
        make_workspace(workspace)
        if begun:
            run_in(reading_much(workspace, much, "2024-01"), "tidegate", "ingest")
        reading_much(workspace, much)
        before, noted = hashes(workspace), (workspace / "data.dvc").read_text()
        resize(shutil.disk_usage(workspace).used + room * MIB)
        full(workspace)
        assert hashes(workspace) == before and bool(before) == begun
        assert (workspace / "data.dvc").read_text() == noted
        resize(200 * MIB)
        assert comes_in_at_last(workspace) == with_room
        assert (workspace / "data.dvc").read_text() != noted


@pytest.mark.slow
def test_a_full_disk_under_the_cache_of_dvc_is_told_too(
    own_workspace: Path, much: Path, with_room: dict[str, str]
) -> None:
    workspace = reading_much(own_workspace, much)
    with small_disk(workspace / ".dvc" / "cache", 3 * MIB) as resize:
        full(workspace, "see that the disk is not full")
        assert hashes(workspace) in ({}, with_room)
        resize(200 * MIB)
        assert comes_in_at_last(workspace) == with_room


@pytest.mark.slow
def test_a_full_disk_under_temporary_files_is_told_and_no_fault_of_the_address(
    own_workspace: Path, tmp_path: Path, much: Path
) -> None:
    content = (much / "2024-01.parquet").read_bytes()
    service = Service(lambda *_: (200, {}, content))
    describe(own_workspace, "files", paths=f"{service.url}/a.parquet", station="station", time="time")
    with small_disk(tmp_path / "temporary", MIB) as resize:
        full(own_workspace, TMPDIR=str(tmp_path / "temporary"))
        assert not list(own_workspace.glob("data*/"))
        resize(200 * MIB)
        run_in(own_workspace, "tidegate", "ingest", TMPDIR=str(tmp_path / "temporary"))
    close(service)
    assert len(stored(own_workspace)) == 4 * 28 * 24 * 60
