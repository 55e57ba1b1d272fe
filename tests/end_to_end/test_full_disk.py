"""A full disk: one sentence, nothing half-written, and all comes in once there is room."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from http_services import Service
from ingests import describe, hashes, staged, stored
from workspaces import copy_workspace, run_in

pytestmark = pytest.mark.slow
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
def with_room(template: Path, much: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What data/ comes to where nothing is in the way."""
    folder = copy_workspace(template, tmp_path_factory.mktemp("with_room") / "workspace")
    invoke(reading_much(folder, much), "ingest")
    return hashes(folder)


@pytest.fixture
def own_workspace(template: Path, tmp_path: Path) -> Path:
    """A fresh workspace with room for files beside it."""
    return copy_workspace(template, tmp_path / "workspace")


def full(workspace: Path, words: str = "make room", **env: str) -> None:
    """Give the command where the disk is full."""
    done = run_in(workspace, "tidegate", "ingest", check=False, **env)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(lines) <= 2 and "Traceback" not in done.stdout + done.stderr
    assert "disk is" in lines[0] and words in lines[0] and lines[0].endswith("."), lines


def comes_in_at_last(workspace: Path, **env: str) -> dict[str, str]:
    """Give the command where there is room again; what data/ comes to, and all of it in DVC's cache."""
    invoke(workspace, "ingest", **env)
    assert "nothing new" in invoke(workspace, "ingest", **env).stdout
    assert "up to date" in run_in(workspace, "dvc", "status", "data.dvc").stdout
    assert not list(workspace.glob("data.*/"))
    return hashes(workspace)


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
    template: Path, tmp_path: Path, much: Path, with_room: dict[str, str], room: int, begun: bool
) -> None:
    workspace = tmp_path / "disk"
    with small_disk(workspace, 200 * MIB) as resize:
        copy_workspace(template, workspace)
        if begun:
            invoke(reading_much(workspace, much, "2024-01"), "ingest")
        reading_much(workspace, much)
        before, noted = hashes(workspace), (workspace / "data.dvc").read_text()
        resize(shutil.disk_usage(workspace).used + room * MIB)
        full(workspace)
        assert hashes(workspace) == before and bool(before) == begun
        assert (workspace / "data.dvc").read_text() == noted
        resize(200 * MIB)
        assert comes_in_at_last(workspace) == with_room
        assert (workspace / "data.dvc").read_text() != noted


def test_a_full_disk_under_the_cache_of_dvc_is_reported_too(
    own_workspace: Path, much: Path, with_room: dict[str, str]
) -> None:
    workspace = reading_much(own_workspace, much)
    with small_disk(workspace / ".dvc" / "cache", 3 * MIB) as resize:
        full(workspace, "see that the disk is not full")
        assert hashes(workspace) in ({}, with_room)
        resize(200 * MIB)
        assert comes_in_at_last(workspace) == with_room


def test_a_full_disk_under_temporary_files_is_reported_and_not_blamed_on_the_address(
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
    service.close()
    assert len(stored(own_workspace)) == 4 * 28 * 24 * 60
