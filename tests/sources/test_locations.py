"""Where files of a source lie: globs, archives, and servers on loopback; and that no secret is ever told."""

import bz2
import functools
import gzip
import lzma
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
from servers import KEYS, free_ports, object_store
from source_files import dataset, files, source_of

from tidegate.errors import SettingsError, SourceError
from tidegate.sources import Source, open_source, read_all
from tidegate.workspace.columns import STATION

ROWS = "station,time,x\nA,2024-01-01,1\n"
ACCOUNT = "Basic dGlkZTpib2F0"  # tide:boat


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/private") and self.headers.get("Authorization") != ACCOUNT:
            self.send_error(401)
        elif self.path.startswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(ROWS.encode())
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if self.path.startswith("/cut"):
            self.do_GET()
        elif self.path.startswith("/private") and self.headers.get("Authorization") != ACCOUNT:
            self.send_error(401)
        else:
            super().do_HEAD()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a web server that hands out the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def at(url: str, **options: object) -> Source:
    return open_source(dataset(**{"paths": url, "station": "station", **options}))


@pytest.mark.parametrize("pattern", ["", "/", ".", "**.csv"])
def test_a_pattern_that_names_no_files_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SourceError, match="paths"):
        files(tmp_path, ROWS, paths=pattern)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No file is at"):
        files(tmp_path, ROWS, paths=str(tmp_path / "none-*.csv"))


def test_a_glob_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, ROWS)
    (piece,) = at("*.csv").pieces(None)
    assert piece.name.startswith("a.csv@")


def test_two_files_of_one_name_are_not_one_station(tmp_path: Path) -> None:
    for place in ("north", "south"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "d.csv").write_text("time,x\n2024-01-01,1\n")
    with pytest.raises(SourceError, match="would both be station d"):
        read_all(source_of(tmp_path, paths=str(tmp_path / "*" / "d.csv"), station=None))


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_compressed_files_are_read(tmp_path: Path, ending: str, pack: "functools.partial[bytes]") -> None:
    assert files(tmp_path, pack(ROWS.encode()), f"a.csv{ending}")["x"].tolist() == [1]


def test_an_archive_of_one_file_is_that_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "harbour.zip", "w") as archive:
        archive.writestr("export.csv", "time,x\n2024-01-01,1\n")
        archive.writestr("__MACOSX/export.csv", "junk")
    (piece,) = source_of(tmp_path, station=None).pieces(None)
    assert piece.name.startswith(f"{tmp_path / 'harbour.zip'}@")
    assert [chunk[STATION].tolist() for chunk in piece.read()] == [["harbour"]]


def test_an_archive_of_several_files_is_a_piece_a_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a/harbour.csv", "time,x\n2024-01-01,1\n")
        archive.writestr("a/pier.tsv", "time\tx\n2024-01-01\t2\n")
    source = source_of(tmp_path, station=None)
    assert [piece.name.split("@")[0] for piece in source.pieces(None)] == [
        f"{tmp_path}/all.zip/a/harbour.csv",
        f"{tmp_path}/all.zip/a/pier.tsv",
    ]
    rows = read_all(source)
    assert rows[STATION].tolist() == ["harbour", "pier"] and rows["x"].tolist() == [1, 2]


def test_an_archive_that_cannot_be_unpacked_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", ROWS * 99)
    whole = path.read_bytes()
    locked = bytearray(whole)
    locked[6] |= 1  # the flag of a password, in the member's header and in the list of members
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    empty = b"PK\x05\x06" + b"\0" * 18
    for content, words in {whole[:-30]: "a.zip is not a whole", bytes(locked): "password", empty: "no files"}.items():
        path.write_bytes(content)
        with pytest.raises(SourceError, match=words) as caught:
            read_all(source_of(tmp_path))
        assert "\n" not in str(caught.value)


def test_a_web_server_is_read_from_and_asked_first_what_is_new(tmp_path: Path, served: str) -> None:
    files(tmp_path, ROWS)
    source = at(f"{served}/a.csv")
    (before,) = source.pieces(None)
    assert read_all(source)["x"].tolist() == [1]
    assert [piece.name for piece in source.pieces(None)] == [before.name]
    (tmp_path / "a.csv").write_text(ROWS.replace(",1\n", ",22\n"))
    (after,) = source.pieces(None)
    assert after.name != before.name and [chunk["x"].tolist() for chunk in before.read()] == [[22]]


def test_a_glob_of_a_web_servers_folder_and_an_archive_there_are_read(tmp_path: Path, served: str) -> None:
    for name in ("a", "b"):
        files(tmp_path, ROWS.replace("A,", f"{name},"), f"{name}.csv", paths=str(tmp_path / "a.csv"))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(tmp_path / "a.csv", "a.csv")
        archive.write(tmp_path / "b.csv", "b.csv")
    assert read_all(at(f"{served}/*.csv"))[STATION].tolist() == ["a", "b"]
    rows = read_all(at(f"{served}/two.zip"))
    assert rows[STATION].tolist() == ["a", "b"]
    kept = list(at(f"{served}/two.zip").pieces(None))  # a piece may also be read later on
    assert [len(chunk) for piece in kept for chunk in piece.read()] == [1, 1]


def test_an_account_of_a_web_server_comes_from_the_environment(
    tmp_path: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private").mkdir()
    files(tmp_path / "private", ROWS)
    with pytest.raises(SourceError, match=r"cannot be reached \(401"):
        read_all(at(f"{served}/private/a.csv"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login tide password boat\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert read_all(at(f"{served}/private/a.csv"))["x"].tolist() == [1]


def test_what_cannot_be_had_elsewhere_is_refused_in_one_sentence(served: str) -> None:
    (port,) = free_ports(1)
    for url, words in {
        f"{served}/none.csv": f"No file is at {served}/none.csv",
        f"{served}/cut.csv": f"{served}/cut.csv cannot be reached",
        f"http://127.0.0.1:{port}/a.csv": "cannot be reached",
    }.items():
        with pytest.raises(SourceError) as caught:
            read_all(at(url))
        assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("url", "package"), [("gs://bucket/a.csv", "gcsfs"), ("az://bucket/a.csv", "adlfs")])
def test_a_package_that_a_url_needs_is_named(monkeypatch: pytest.MonkeyPatch, url: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    fsspec.available_protocols()
    with pytest.raises(SourceError, match=f"without the package {package}: pip install {package}"):
        read_all(at(url))


def test_an_unknown_protocol_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        SettingsError, match=r"is 'ftp', which is unknown; .*known: abfs, abfss, az, gs, http, https, s3"
    ):
        read_all(at("ftp://example.org/a.csv"))


@pytest.mark.parametrize(
    "options",
    [
        {"paths": "https://tide:swordfish@example.org/a.csv"},
        {"paths": "https://swordfish@example.org/a.csv"},
        {"paths": [["https://tide:sword/fish@example.org/a.csv"]]},
        {"paths": ["a.csv", "s3://key:swordfish@bucket/a.csv"]},
        {"paths": ["https://tide:swordfish@example.org/a.csv", 5]},
        {"paths": "https://example.org/a.csv?station=3&api_key=swordfish"},
        {"paths": "https://example.org/a.csv?X-Amz-Signature=swordfish"},
        {"storage": {"key": "swordfish"}},
        {"storage": {"client_kwargs": {"aws_secret_access_key": "swordfish"}}},
        {"storage": {"token": "swordfish"}, "header": 5},
        {"storage": {"endpoint_url": "https://tide:swordfish@example.org"}},
    ],
)
def test_a_secret_in_the_settings_is_refused_without_being_repeated(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        at(**{"url": "a.csv", **options})
    assert "put it in the environment" in str(caught.value)
    assert "fish" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/a.csv?station=3&monkey=1", "abfs://data@account.dfs/a.csv", "http://a:80/b@c"]
)
def test_a_url_without_a_secret_is_taken(url: str) -> None:
    at(url, storage={"endpoint_url": "http://127.0.0.1:9000", "anon": True})


@pytest.mark.slow
def test_an_object_store_is_read_from_and_asked_first_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (port,) = free_ports(1)
    with object_store(tmp_path / "store", port, "lake") as url:
        away = fsspec.filesystem("s3", endpoint_url=url, skip_instance_cache=True)
        away.pipe("lake/in/a.csv.gz", gzip.compress(ROWS.encode()))
        away.pipe("lake/in/b.csv", ROWS.replace("A,", "B,").encode())
        source = at("s3://lake/in/*", storage={"endpoint_url": url})
        mark = source.fingerprint()
        assert read_all(source)[STATION].tolist() == ["A", "B"]
        assert source.fingerprint() == mark
        away.pipe("lake/in/b.csv", ROWS.replace("A,", "C,").encode())
        assert source.fingerprint() != mark
        assert read_all(source)[STATION].tolist() == ["A", "C"]
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
        with pytest.raises(SourceError, match="No file is at s3://lake/none"):
            read_all(at("s3://lake/none/*", storage={"endpoint_url": url, "anon": True}))
    with pytest.raises(SourceError, match=r"s3://lake/in/a\.csv cannot be reached"):
        read_all(at("s3://lake/in/a.csv", storage={"endpoint_url": url}))
