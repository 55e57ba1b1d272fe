"""Ingest from every kind of source: only what is new, what it replaces, and what was known at a moment."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from ingests import ONE_VARIABLE, hashes, make, stored
from origins import AFTER, ROWS, Clock, Origin, corrected, reading, table_of

from tidegate.stages import ingest
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import Settings


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
def test_only_what_is_new_comes_in_and_what_it_replaces_is_kept(
    origin: Origin, dated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    folder = tmp_path / "workspace"
    chosen = reading(origin, folder, monkeypatch, dated)

    def come(time: str) -> str:
        clock(time)
        return ingest.run(chosen, no_progress)

    origin.put(ROWS)
    assert f"{len(ROWS)} rows of 2 stations" in (sentence := come(AFTER)) and f"= {len(ROWS)} kept + 0" in sentence
    before = hashes(folder)
    sentence = come("2024-04-29T01:10Z")
    assert sentence.startswith("nothing new") or " = 0 kept + 0 superseded" in sentence
    assert hashes(folder) == before

    origin.put(more := corrected(ROWS))
    assert " = 2 kept + 1 superseded" in come("2024-04-30T05:10Z")
    assert stored(folder).sort_values(["time", "station"])["x"].tolist() == more["x"].tolist()
    versions = stored(folder, "revisions")
    assert versions["x"].tolist() == [ROWS["x"].iloc[-2], -5.0]
    assert str(versions["replaced"].iloc[0])[:16] == ("2024-04-30 04:00" if dated else "2024-04-30 05:10")
    before = hashes(folder)
    come("2024-04-30T06:10Z")
    assert hashes(folder) == before


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
def test_data_as_of_a_moment_hold_what_was_known_then_and_the_next_ingest_undoes_it(
    origin: Origin, dated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    folder = tmp_path / "workspace"
    chosen = reading(origin, folder, monkeypatch, dated)
    for time, rows in ((AFTER, ROWS), ("2024-04-30T05:10Z", corrected(ROWS))):
        clock(time)
        origin.put(rows)
        ingest.run(chosen, no_progress)
    before = hashes(folder)
    ingest.run(chosen, no_progress, as_of=pd.Timestamp("2024-04-30T03:00Z"))
    then = stored(folder).sort_values(["time", "station"])
    day = then[then["time"] >= pd.Timestamp("2024-04-28", tz="UTC")]
    old = ROWS["x"].iloc[-2:].tolist()
    assert day["x"].tolist() == (old + table_of("2024-04-29", "2024-04-29")["x"].tolist() if dated else old)
    assert hashes(folder) != before
    at_once = hashes(folder)
    for moment in ("2024-02-10", "2024-03-31T23:00", "2024-04-29T01:00", "2024-04-30T03:00"):  # only forward
        ingest.run(chosen, no_progress, as_of=pd.Timestamp(moment, tz="UTC"))
    assert hashes(folder) == at_once
    ingest.run(chosen, no_progress)
    assert hashes(folder) == before


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
