"""What was known when: versions in any order, split and repetition come to the same."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.errors import DataError, TidegateError
from tidegate.measurements import versions
from tidegate.measurements.versions import MergePolicy, RowCounts, StoredRows
from tidegate.workspace.columns import REPLACED

VARIABLES = ("x", "y")
TERMS = MergePolicy(VARIABLES, "last")
START = pd.Timestamp("2024-01-10", tz="UTC")
HOUR = pd.Timedelta("1h")
NOTHING = StoredRows(*(pd.DataFrame(columns=[*versions.version_columns(VARIABLES), *more]).astype(
    {"station": "str", "time": "datetime64[us, UTC]", "arrived": "datetime64[us, UTC]", "x": float, "y": float}
    ) for more in ([], [REPLACED], [])))  # fmt: skip


def rows(*cells: tuple[str, int, float | None, float, float]) -> pd.DataFrame:
    """Make rows of station, hour, hours until it arrived (None where that is not told), x and y."""
    frame = pd.DataFrame(cells, columns=["station", "hour", "delay", "x", "y"]).astype({"x": float, "y": float})
    time = START + pd.to_timedelta(frame["hour"], unit="h")
    arrived = time + pd.to_timedelta(frame["delay"].astype(float), unit="h")
    made = pd.DataFrame({"station": frame["station"].astype("str"), "time": time, "arrived": arrived})
    moment = "datetime64[us, UTC]"
    return made.astype({"time": moment, "arrived": moment}).assign(x=frame["x"], y=frame["y"])


def after(*batches: pd.DataFrame, terms: MergePolicy = TERMS) -> tuple[StoredRows, RowCounts]:
    stored, books = NOTHING, RowCounts()
    for batch in batches:
        stored, found = versions.merge(stored, batch, terms)
        books += found
    return stored, books


def same(one: StoredRows, other: StoredRows) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(a.astype(object).equals(b.astype(object)) for a, b in pairs)


# Versions of one station and time arrive at different times: what is received at one and the same time is one version.
VERSIONS = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(0, 3),
        st.integers(0, 5),
        st.sampled_from([1.0, 2.0, float("nan")]),
        st.sampled_from([1.0, float("nan")]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda cell: cell[:3],
)


@given(VERSIONS, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_any_order_split_and_repetition_of_batches_comes_to_what_one_batch_does(
    cells: list[tuple[str, int, float, float, float]], random: object, parts: int
) -> None:
    once, _ = after(rows(*cells))
    again = [*cells, *(cell for cell in cells if random.random() < 0.3)]  # type: ignore[attr-defined]
    random.shuffle(again)  # type: ignore[attr-defined]
    batches = [again[place::parts] for place in range(parts)]
    several, books = after(*(rows(*batch) for batch in batches if batch))
    assert same(once, several)
    assert books.read == len(again)
    assert books.kept == len({cell[:2] for cell in cells})
    assert books.revisions == len(cells) - books.kept


@given(VERSIONS, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_data_as_of_a_moment_are_those_that_had_arrived_by_then_and_nothing_is_lost(
    cells: list[tuple[str, int, float, float, float]], hour: int
) -> None:
    moment = START + hour * HOUR
    whole, _ = after(rows(*cells))
    then, _ = versions.merge(whole, rows(*cells).iloc[:0], MergePolicy(VARIABLES, "last", as_of=moment))
    arrived = [cell for cell in cells if cell[1] + cell[2] <= hour]
    assert then.standing.equals(after(rows(*arrived))[0].standing if arrived else then.standing.iloc[:0])
    assert versions.known_as_of(whole, MergePolicy(VARIABLES, "last", as_of=moment)).equals(then.standing)
    back, _ = versions.merge(then, rows(*cells).iloc[:0], TERMS)
    assert same(back, whole)


def test_the_replaced_value_is_kept_with_the_time_it_was_replaced() -> None:
    stored, _ = after(rows(("A", 0, 0, 1, 1)), rows(("A", 0, 5, 2, 1)))
    (cell,) = versions.superseded(stored, VARIABLES).to_dict("records")
    assert (cell["variable"], cell["value"], cell["standing"]) == ("x", 1.0, 2.0)
    assert cell["replaced"] == START + 5 * HOUR


def test_a_missing_cell_replaces_nothing_and_is_filled_later() -> None:
    nan = float("nan")
    stored, _ = after(rows(("A", 0, 0, 1, nan)), rows(("A", 0, 5, nan, 3)))
    assert stored.standing[["x", "y"]].to_numpy().tolist() == [[1.0, 3.0]]
    assert versions.superseded(stored, VARIABLES).empty


def test_rows_that_do_not_tell_when_they_arrived_arrive_now_but_for_the_first_load() -> None:
    now = START + 100 * HOUR
    first, _ = after(rows(("A", 0, None, 1, 1)))
    assert first.standing["arrived"].isna().all()
    later, books = versions.merge(
        first, rows(("A", 0, None, 1, 1), ("A", 1, None, 1, 1)), MergePolicy(VARIABLES, "last", now)
    )
    assert later.standing["arrived"].tolist() == [pd.NaT, now]
    assert (books.kept, books.copies) == (1, 1)


def test_of_undated_rows_what_counts_is_what_they_come_to() -> None:
    now = MergePolicy(VARIABLES, "last", START + 100 * HOUR)
    both = rows(("A", 0, None, 1, 1), ("A", 0, None, 2, 1))
    stored, _ = after(both)
    again, books = versions.merge(stored, both, now)
    assert same(stored, again) and books.copies == 2
    back, books = versions.merge(stored, rows(("A", 0, None, 1, 1)), now)
    assert back.standing["x"].tolist() == [1.0] and books.revisions == 1


def test_the_first_version_stands_if_so_asked_and_disagreement_is_refused_if_so_asked() -> None:
    both = rows(("A", 0, 0, 1, 1), ("A", 0, 5, 2, 1))
    assert after(both, terms=MergePolicy(VARIABLES, "first"))[0].standing["x"].tolist() == [1.0]
    with pytest.raises(DataError, match="station A at 2024-01-10 00:00:00\\+00:00 disagree about x"):
        after(both, terms=MergePolicy(VARIABLES, "refuse"))


@pytest.mark.parametrize("conflict", ["last", "first"])
def test_undated_rows_that_are_read_again_add_no_versions(conflict: str) -> None:
    stored, _ = after(rows(("A", 0, None, 1, 1)), terms=MergePolicy(VARIABLES, conflict))  # type: ignore[arg-type]
    now = MergePolicy(VARIABLES, conflict, START + 100 * HOUR)  # type: ignore[arg-type]
    corrected, _ = versions.merge(stored, rows(("A", 0, None, 3, 1)), now)
    assert len(corrected.revisions) == 2
    later = MergePolicy(VARIABLES, conflict, START + 200 * HOUR)  # type: ignore[arg-type]
    assert same(corrected, versions.merge(corrected, rows(("A", 0, None, 3, 1)), later)[0])


def test_versions_that_arrived_at_one_moment_come_to_the_same_in_any_order() -> None:
    one, other = rows(("A", 0, 5, 1, 1)), rows(("A", 0, 5, 2, 1))
    assert same(after(one, other)[0], after(other, one)[0])


def test_what_is_put_by_for_a_moment_is_known_when_it_is_read_again() -> None:
    stored, _ = after(rows(("A", 0, None, 1, 1)))
    now = [MergePolicy(VARIABLES, "last", START + hours * HOUR) for hours in (48, 72)]
    whole, _ = versions.merge(stored, rows(("A", 0, None, 2, 1)), now[0])
    then, _ = versions.merge(
        whole, rows(("A", 0, None, 2, 1)).iloc[:0], MergePolicy(VARIABLES, "last", as_of=START + 24 * HOUR)
    )
    assert then.standing["x"].tolist() == [1.0]
    assert same(versions.merge(then, rows(("A", 0, None, 2, 1)), now[1])[0], whole)


def test_books_that_do_not_balance_are_a_fault() -> None:
    with pytest.raises(TidegateError, match="rows would be lost"):
        RowCounts(read=3, kept=1, revisions=1).require_balance()
