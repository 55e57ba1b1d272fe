"""An ingest that is stopped half-way goes on with what it has not read yet, whatever the source."""

from pathlib import Path

import pandas as pd
import pytest
from ingests import hashes, staged, stored
from origins import AFTER, BEFORE, ROWS, Clock, Files, Origin, Table, Web, reading

from tidegate.errors import SourceError, TidegateError
from tidegate.stages import ingest
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import Settings


def sentence(error: pytest.ExceptionInfo[TidegateError]) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith(".")
    return text


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
        chosen = reading(origin, tmp_path / name, monkeypatch, dated=False)
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
    chosen = reading(origin, folder, monkeypatch, dated=True)
    with pytest.raises(KeyboardInterrupt):
        ingest.run(chosen, Watch(folder, stop_at))
    assert not (folder / "data").exists()
    assert len(read := staged(folder)) == min(stop_at, 4)
    ingest.run(chosen, watch := Watch(folder))
    assert read.items() <= watch.staged.items()
    ingest.run(reading(origin, tmp_path / "never", monkeypatch, dated=True), no_progress)
    assert hashes(folder) == hashes(tmp_path / "never")


@pytest.mark.parametrize("origin", ["sqlite", "postgresql"], indirect=True)
def test_a_table_dropped_while_it_is_read_is_reported_and_read_on_once_it_is_back(
    origin: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def drop(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if done == 1:
            origin.drop()

    clock(AFTER)
    origin.put(ROWS)
    folder = tmp_path / "workspace"
    chosen = reading(origin, folder, monkeypatch, dated=True)
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
