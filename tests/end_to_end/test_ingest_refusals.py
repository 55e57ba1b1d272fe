"""`tidegate ingest` refuses what it cannot read in one sentence, leaves no trace, and repeats no password."""

from pathlib import Path

import pytest
from commands import invoke, refused
from http_services import Service
from ingests import describe, staged
from origins import ROWS
from workspaces import run_in

pytestmark = pytest.mark.slow
SECRET = "hunter22"


def truncated(folder: Path) -> bytes:
    ROWS.to_parquet(folder / "whole.parquet")
    content = (folder / "whole.parquet").read_bytes()
    return content[: len(content) // 2]


HEADER = b"station,time,x\n"


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
def test_a_file_that_is_not_what_it_seems_is_refused_in_one_sentence_and_leaves_no_trace(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes | None, words: str
) -> None:
    (workspace / "in").mkdir()
    (workspace / "in" / name).write_bytes(content or truncated(tmp_path_factory.mktemp("parquet")))
    describe(workspace, "files", paths="in/*", station="station", time="time")
    before = (workspace / "data.dvc").read_text()
    assert words in refused(workspace, "ingest")
    assert not list(workspace.glob("data*/")) and not staged(workspace)
    assert (workspace / "data.dvc").read_text() == before


def files_with(workspace: Path, word: str) -> list[Path]:
    """The files of a workspace in which a word stands; these tests, and what they write, aside."""
    files = [path for path in workspace.rglob("*") if path.is_file() and not {".git", "tests"} & set(path.parts)]
    return [path for path in files if path.name != "params.yaml" and word.encode() in path.read_bytes()]


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
    done = invoke(workspace, "ingest", check=False, MET_KEY=SECRET)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stdout + done.stderr
    assert list((workspace / "logs").glob("*.log")) and not files_with(workspace, SECRET)
    assert not (workspace / "data").exists()


def test_a_key_that_a_service_repeats_stands_in_no_file(workspace: Path) -> None:
    service = Service(lambda service, _: (403, {}, f"not with {service.asked[-1]}".encode()))
    describe(
        workspace, "http_json", url=service.url + "/{since}?apikey=${MET_KEY}", stations=["A"],
        start="2024-01-01T00:00:00Z", time="time",
    )  # fmt: skip
    done = run_in(workspace, "tidegate", "ingest", check=False, MET_KEY=SECRET)
    service.close()
    assert SECRET in service.asked[0]
    assert done.returncode == 2 and "answers 403" in done.stderr and SECRET not in done.stdout + done.stderr
    assert not files_with(workspace, SECRET)
