"""What `tidegate status` says of forecasts, read without pandas, is what pandas makes of the same files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidegate.errors import DataError
from tidegate.verification.newest import SPAN, newest_forecasts, recent_scores, time_span
from tidegate.verification.places import DAYS, ISSUED
from tidegate.verification.summary import totals

COUNTS = [
    "rows",
    "verified",
    "missing",
    "quarantined",
    "corrected",
    "by_model",
    "compared",
    "intervals",
    "adapted_intervals",
]
FOLDER = ISSUED.verification / "m-v2" / DAYS


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Scores of 75 days in three months' files, with days on which nothing could be compared."""
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=75, tz="UTC", unit="us").repeat(2)})
    rows["issue"] = ["first", "standing"] * 75
    for name in COUNTS:
        rows[name] = chance.integers(0, 5, len(rows))
    for name in ("loss", "compared_loss", "naive_loss", "coverage", "adapted_coverage", "pinball"):
        rows[name] = chance.random(len(rows)) + (name == "naive_loss")
    rows.loc[::7, ["compared_loss", "naive_loss", "coverage"]] = np.nan
    FOLDER.mkdir(parents=True)
    for month, part in rows.groupby(rows["day"].dt.strftime("%Y-%m")):
        part.to_parquet(FOLDER / f"{month}.parquet")
    return rows


def test_the_scores_are_those_of_the_standing_forecasts_of_the_last_days(days: pd.DataFrame) -> None:
    found, newest = recent_scores("m-v2"), days["day"].max()
    expected = totals(days[(days["issue"] == "standing") & (days["day"] > newest - SPAN)])
    assert found is not None and found.until == newest.to_pydatetime()
    assert found.verified == expected["verified"]
    assert found.skill == pytest.approx(expected["skill"]) and found.coverage == pytest.approx(expected["coverage"])


def test_what_cannot_be_compared_has_no_skill(days: pd.DataFrame) -> None:
    for path in FOLDER.glob("*.parquet"):
        pd.read_parquet(path).assign(compared=0, naive_loss=np.nan).to_parquet(path)
    found = recent_scores("m-v2")
    assert found is not None and found.skill is None and found.coverage is not None
    assert recent_scores("m-v1") is None


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_newest_forecasts_are_found_over_all_versions_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert newest_forecasts("m") is None
    lasts = {"m-v9": "2026-02-03T04:00", "m-v10": "2026-02-03T05:00", "m-v1-v1": "2026-02-03T06:00"}  # last: another
    for version, last in lasts.items():
        folder = ISSUED.forecasts / version
        folder.mkdir(parents=True)
        origins = pd.date_range("2026-02-01", last, freq="h", tz="UTC", unit=unit)
        pd.DataFrame({"origin": origins}).to_parquet(folder / "2026-02.parquet", row_group_size=7)
    found = newest_forecasts("m")
    assert found is not None and found.version == "m-v10" and found.origin.isoformat() == "2026-02-03T05:00:00+00:00"
    assert time_span([folder / "2026-02.parquet"], "origin")[0].isoformat() == "2026-02-01T00:00:00+00:00"


def test_a_damaged_file_is_named(days: pd.DataFrame) -> None:
    (FOLDER / "2026-03.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"2026-03\.parquet cannot be read"):
        recent_scores("m-v2")


def test_pandas_is_not_imported(days: pd.DataFrame) -> None:
    root = Path(__file__).parent.parent.parent
    script = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from tidegate.verification.newest import recent_scores; "
        "recent_scores('m-v2'); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
