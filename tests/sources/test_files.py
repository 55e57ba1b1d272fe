"""Files as a source: layouts, text and what of them is refused."""

import gzip
import io
from pathlib import Path

import pandas as pd
import pytest
from source_files import dataset, files, noted, real, source_of, times

from tidegate.errors import SettingsError, SourceError
from tidegate.sources import open_source, read_all
from tidegate.workspace.columns import ARRIVED, STATION, TIME


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.sources.files.CHUNK_ROWS", 2)


def test_a_station_column_and_a_time_zone(tmp_path: Path) -> None:
    text = "station,time,x\nA,2024-01-01 00:00,1\nB,2024-01-01 00:00,NA\n"
    rows = files(tmp_path, text, time_zone="Asia/Shanghai")
    assert rows[STATION].tolist() == ["A", "B"]
    assert rows[TIME].iloc[0] == pd.Timestamp("2023-12-31 16:00", tz="UTC")
    assert rows["x"].isna().tolist() == [False, True]
    assert rows.equals(files(tmp_path, text, zone="Asia/Shanghai")), "the dataset's zone stands in"


def test_one_station_a_file_is_named_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "harbour.csv.gz").write_bytes(gzip.compress(b"time,x\n2024-01-01T00:00Z,1\n"))
    rows = files(tmp_path, "time,x\n2024-01-01T00:00Z,2\n", name="pier.csv", station=None)
    assert rows[STATION].tolist() == ["harbour", "pier"]


def test_time_in_four_columns_and_another_name_for_a_variable(tmp_path: Path) -> None:
    text = "station,y,m,d,h,PM2.5\nA,2024,2,29,23,1.5\n"
    rows = files(tmp_path, text, time=["y", "m", "d", "h"], columns={"x": "PM2.5"})
    assert rows[TIME].tolist() == [pd.Timestamp("2024-02-29 23:00", tz="UTC")]
    assert rows["x"].tolist() == [1.5]


@pytest.mark.usefixtures("small_chunks")
def test_parquet_is_read_as_csv_is_in_chunks(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=5, freq="h", tz="UTC")
    frame = pd.DataFrame({"station": "A", "time": stamps, "x": [1, 2, 3, 4, 5.0], "other": "text"})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    (parquet,) = source_of(tmp_path, paths=str(tmp_path / "*.parquet")).pieces(None)
    (text,) = source_of(tmp_path, paths=str(tmp_path / "*.csv")).pieces(None)
    chunks = list(parquet.read())
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert pd.concat(chunks).equals(pd.concat(text.read()))
    frame.set_index("time").to_parquet(tmp_path / "a.parquet")  # an index is a column of the file
    assert pd.concat(parquet.read()).equals(pd.concat(text.read()))


def test_a_table_whose_rows_are_numbered_twice_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"station": "A", "time": pd.to_datetime(["2024-01-01"], utc=True), "x": [3.0]})
    pd.concat([frame, frame.assign(x=4.0)]).to_parquet(tmp_path / "a.parquet")
    assert read_all(source_of(tmp_path))["x"].tolist() == [3.0, 4.0]


def test_memory_does_not_grow_with_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"A,{1_700_000_000 + second},1\n" for second in range(20_000))
    (tmp_path / "a.csv").write_text("station,time,x\n" + lines)
    monkeypatch.setattr("tidegate.sources.files.CHUNK_ROWS", 1_000)
    (piece,) = source_of(tmp_path, time_format="unix").pieces(None)
    assert [len(chunk) for chunk in piece.read()] == [1_000] * 20


def test_a_wide_file_has_a_column_a_station_and_blank_cells_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("time,C\n2024-01-01,5\n")
    rows = files(tmp_path, "time,A,B\n2024-01-01,1,2\n2024-01-02,,3\n2024-01-03,NA,\n", wide="x", station=None)
    assert list(zip(rows[STATION], times(rows), rows["x"], strict=True)) == [
        ("A", "01T00:00", 1.0), ("B", "01T00:00", 2.0), ("B", "02T00:00", 3.0), ("C", "01T00:00", 5.0),
    ]  # fmt: skip


def test_a_wide_file_is_read_in_chunks_and_of_some_columns_if_they_are_listed(tmp_path: Path) -> None:
    text = "time,A,note,B\n2024-01-01,1,calm,2\n2024-01-02,1,windy,3\n"
    rows = files(tmp_path, text, wide="x", station=None, stations=["A", "B"])
    assert rows[STATION].tolist() == ["A", "A", "B", "B"]
    with pytest.raises(SourceError, match="line 2: 'calm' in column 'note' is not a number"):
        files(tmp_path, text, wide="x", station=None)
    with pytest.raises(SourceError, match=r"No file has a column 'D': correct dataset.options.stations"):
        files(tmp_path, text, wide="x", station=None, stations=["A", "D"])
    with pytest.raises(SourceError, match="has no column of a station; it has time, A, note, B"):
        files(tmp_path, text, wide="x", station=None, stations=["D"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wide": "y"}, "wide is 'y', so dataset.variables is to hold that variable alone; it holds x"),
        ({"wide": "x", "variables": ("x", "y")}, "it holds x, y"),
        ({"wide": "x", "columns": {"x": "y"}}, "in a wide file each column is a station"),
        ({"wide": "x", "station": "station"}, "in a wide file each column is a station"),
        ({"stations": ["A"]}, "give wide, too"),
        ({"encoding": "utf-9"}, "there is no such encoding"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"time": ["y", "m"]}, "give one column, the columns of year"),
        ({"time_zone": "Mars/Olympus"}, "time_zone is 'Mars/Olympus': there is no such time zone"),
        ({"clock_change": "guess"}, "clock_change"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_source(dataset(**{"paths": "*.csv", **options}))
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised_from_the_header(tmp_path: Path, mark: str) -> None:
    rows = files(tmp_path, f"station{mark}time{mark}x\nA{mark}2024-01-01{mark}1.5\n")
    assert rows["x"].tolist() == [1.5]


def test_a_tsv_file_and_one_without_a_header_line_are_read(tmp_path: Path) -> None:
    rows = files(tmp_path, "station\ttime\tx, y; z\nA\t2024-01-01\t1\n", "a.tsv", columns={"x": "x, y; z"})
    assert rows["x"].tolist() == [1]
    (tmp_path / "a.tsv").unlink()
    rows = files(tmp_path, "A;2024/1/1 0:00;1,5\n", header=["station", "time", "x"])
    assert rows["x"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("station;time;x\nA;2024-01-01;12,5\n", {}, 12.5),
        ("station;time;x\nA;2024-01-01;0,785\n", {}, 0.785),
        ("station;time;x\nA;2024-01-01;12.5\n", {}, 12.5),
        ("station;time;x\nA;2024-01-01;1,234\n", {"decimal": ","}, 1.234),
        ('station,time,x\nA,2024-01-01,"12,5"\n', {"decimal": ","}, 12.5),
    ],
)
def test_the_decimal_mark_is_recognised_where_it_can_be_nothing_else(
    tmp_path: Path, text: str, options: dict[str, object], value: float
) -> None:
    assert files(tmp_path, text, **options)["x"].tolist() == [value]


def test_quotes_within_a_cell_and_line_breaks_in_quotes_are_text(tmp_path: Path) -> None:
    text = 'station,time,x,note\nA,2024-01-01,1,5" pipe\nB,2024-01-01,2,"a\nb, ""c"""\nC,2024-01-01,3,"d"\n'
    rows = files(tmp_path, text)
    assert rows[STATION].tolist() == ["A", "B", "C"] and rows["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_recognised_from_the_whole_file(tmp_path: Path, encoding: str) -> None:
    text = "station,time,x (µg/m³)\r\nZürich,2024-01-01,1\r\n"
    options = {"columns": {"x": "x (µg/m³)"}}
    rows = files(tmp_path, text.encode(encoding), **options)
    assert rows[STATION].tolist() == ["Zürich"]
    assert bool(noted(source_of(tmp_path, **options))) == (encoding == "cp1252")


def test_an_encoding_that_is_given_is_kept_to(tmp_path: Path) -> None:
    text = "station,time,x\nŁódź,2024-01-01,1\n"
    assert files(tmp_path, text.encode("cp1250"), encoding="cp1250")[STATION].tolist() == ["Łódź"]
    assert files(tmp_path, text.encode("utf-8-sig"), encoding="utf-8")[STATION].tolist() == ["Łódź"]
    assert files(tmp_path, text.encode("utf-16-le"), encoding="utf-16-le")[STATION].tolist() == ["Łódź"]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "a.csv is empty"),
        (b"\xef\xbb\xbf", {}, "a.csv is empty"),
        ("station,time,x\n", {}, "a.csv holds no rows"),
        (b"\x00\x01\x02\x03" * 99, {}, "a.csv is not a text file"),
        ("Zürich,\n".encode() + "Zürich".encode("cp1252"), {}, "line 2: it is not UTF-8 text, and other lines are"),
        ("Zürich,\n".encode("cp1252") + "Zürich".encode(), {}, "line 1: it is not UTF-8 text, and other lines are"),
        (b"station,time,x\n\x81,", {}, "line 2: it is neither UTF-8 nor cp1252"),
        (b"station,time,x\n\xe9,", {"encoding": "utf-8"}, "line 2: it is not utf-8 text"),
        ("station,when,x\nA,2024-01-01,1\n", {}, "has no column 'time'; it has station, when, x"),
        ("station,time,y\nA,2024-01-01,1\n", {}, "has no column 'x'"),
        ("station,time,x\nA,2024-01-01,1\n\nA,2024-01-02,much\n\n", {}, "a.csv, line 4"),
        ("station,time,x\nA,2024-01-01,1\nA,2024-01-02,much\n", {}, "line 3: 'much' in column 'x' is not a number"),
        ("station;time;x\nA;2024-01-01;1,234\n", {}, "'1,234' in column 'x' is not a number: correct it, set dataset"),
        ("station;time;x\nA;2024-01-01;1.234,5\n", {"decimal": ","}, "'1.234,5' in column 'x' is not a number"),
        ("station;time;x\nA;2024-01-01;1.234\n", {"decimal": ","}, "'1.234' in column 'x' is not a number"),
        ("station,time,x\nA,2024-01-01,1,9,9\n", {}, "line 2: it has 5 fields and the header has 3"),
        ("station,time,x\nA,2024-01-01,1\nA,2024-01-02\n", {}, "line 3: it has 2 fields and the header has 3"),
        ("A,2024-01-01,1\nA,2\n", {"header": ["station", "time", "x"]}, "line 2: it has 2 fields and dataset.options"),
        ("station,time,x\nA,2024-01-01,1\nstation,time,x\n", {}, "line 3: the header comes a second time"),
        ('station,time,x\nA,2024-01-01,"1\nA,2024-01-01,1\n', {}, "line 2: a quote is opened and not closed"),
        ('station,time,x\n"A\nB",2024-01-01,1\nA,2024-01-01,much\n', {}, "a.csv, line 4"),
        ("station,time,x\n,2024-01-01,1\n", {}, "a.csv, line 2: '' names no station"),
        ("station,time,x,x\nA,2024-01-01,1,2\n", {}, "a.csv has two columns 'x'"),
        ("station,time,x\nA,2024-01-01,inf\n", {}, "line 2: 'inf' in column 'x' is not a number"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name_and_line(
    tmp_path: Path, text: str | bytes, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SourceError) as caught:
        files(tmp_path, text, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("row", ["A,2024-01-09,much", "A,never,1", ",2024-01-09,1", "A,2024-01-09"])
def test_the_line_is_right_in_later_chunks_too(tmp_path: Path, row: str) -> None:
    text = "station,time,x\n\n" + "A,2024-01-01,1\n" * 5 + "\n" + row
    with pytest.raises(SourceError, match=r"a\.csv, line 9: "):
        files(tmp_path, text)


@pytest.mark.usefixtures("small_chunks")
def test_a_row_of_parquet_is_named_in_later_chunks_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"station": "A", "time": "2024-01-01", "x": ["1", "2", "3", "much"]})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet, row 4: 'much' in column 'x'"):
        read_all(source_of(tmp_path))


def test_a_file_that_ends_too_early_is_refused_in_one_sentence(tmp_path: Path) -> None:
    held = io.BytesIO()
    frame = pd.DataFrame({"station": "A", "time": pd.date_range("2024", periods=9, freq="h"), "x": range(9)})
    frame.to_parquet(held)
    for name, content in {
        "a.parquet": held.getvalue()[:-40],
        "b.parquet": b"this is text",
        "a.csv.gz": gzip.compress(b"station,time,x\n" + b"A,2024-01-01,1\n" * 99)[:-12],
        "b.csv.gz": b"this is text",
    }.items():
        with pytest.raises(SourceError, match=r"is not a (whole|readable)") as caught:
            files(tmp_path, content, name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
        (tmp_path / name).unlink()


def test_an_unchanged_file_keeps_its_name_and_a_changed_one_gets_another(tmp_path: Path) -> None:
    files(tmp_path, "station,time,x\nA,2024-01-01,1\n")
    source = source_of(tmp_path)
    ((before,), mark) = (source.pieces(None), source.fingerprint())
    assert [piece.name for piece in source.pieces(None)] == [before.name] and before.is_immutable
    files(tmp_path, "station,time,x\nA,2024-01-01,2\n")
    ((after,), later) = (source.pieces(None), source.fingerprint())
    assert after.name != before.name and later != mark
    assert after.name.startswith(f"{tmp_path / 'a.csv'}@")


def test_when_a_row_was_known_is_read_from_a_column(tmp_path: Path) -> None:
    text = "station,time,x,known\nA,2024-01-01 00:00,1,2024-01-01 05:00\nA,2024-01-01 01:00,1,\n"
    rows = files(tmp_path, text, arrived="known", time_zone="Europe/Berlin")
    assert rows[ARRIVED].iloc[0] == pd.Timestamp("2024-01-01 04:00", tz="UTC")
    assert pd.isna(rows[ARRIVED].iloc[1])
    with pytest.raises(SourceError, match="line 2: 'soon' is not a time"):
        files(tmp_path, text.replace("2024-01-01 05:00", "soon"), arrived="known")


def test_what_makes_rows_another_series_is_named(tmp_path: Path) -> None:
    def series(**options: object) -> dict[str, object]:
        return source_of(tmp_path, **options).series()

    assert series() == series(storage={"endpoint_url": "http://127.0.0.1"}) == series(frequency="15min")
    assert series() != series(zone="Europe/Berlin")
    assert series(labels="end") != series(labels="end", frequency="15min")
    assert series() != series(decimal=",")


def test_real_wide_files_of_several_columns_are_one_table() -> None:
    options = {"paths": real("pjm/*.csv"), "time": "Datetime", "wide": "load", "labels": "end"}
    rows = read_all(open_source(dataset(("load",), zone="America/New_York", **options)))
    assert sorted(rows[STATION].unique()) == ["AEP_MW", "DAYTON_MW", "DUQ_MW"]
    assert not rows.duplicated([STATION, TIME]).any()
    aep = rows[rows[STATION] == "AEP_MW"].set_index(TIME)["load"].sort_index()
    assert aep["2014-11-02 05:00":"2014-11-02 08:00"].tolist() == [13297.0, 12994.0, 13190.0, 12835.0]
    assert aep["2014-03-09 06:00":"2014-03-09 08:00"].tolist() == [13296.0, 13140.0, 13008.0]


def test_a_real_wide_file_of_dates_without_zeros_is_read() -> None:
    options = {"paths": real("exchange_rate/exchange_rate.csv"), "time": "date", "wide": "rate"}
    rows = read_all(open_source(dataset(("rate",), frequency="1D", **options)))
    assert rows[STATION].unique().tolist() == ["0", "1", "2", "3", "4", "5", "6", "OT"]
    assert len(rows) == 8 * 7588 and rows[TIME].max() == pd.Timestamp("2010-10-10", tz="UTC")


def test_real_headers_with_odd_characters_work_as_they_stand() -> None:
    names = {"p": "p (mbar)", "rho": "rho (g/m**3)", "par": "PAR (\ufffdmol/m\ufffd/s)", "max": "max. wv (m/s)"}
    options = {"paths": real("jena_2020/weather.csv"), "time": "date", "columns": names}
    rows = read_all(open_source(dataset(tuple(names), frequency="10min", **options)))
    assert rows.loc[0, "p"] == 1008.89 and len(rows) == 52_696


def test_a_blank_cell_is_one_missing_cell() -> None:
    def read(path: str) -> pd.DataFrame:
        options = {"paths": real(f"beijing/{path}"), "station": "station", "time": ["year", "month", "day", "hour"]}
        return read_all(open_source(dataset(("SO2", "PM2.5"), **options)))

    blank = read("variants/PRSA_Data_Aotizhongxin_blank-missing-cell.csv")
    token = read("PRSA_Data_Aotizhongxin_20130301-20170228.csv")
    assert blank.equals(token)
    assert blank["SO2"].isna().sum() == token["SO2"].isna().sum() > 0
