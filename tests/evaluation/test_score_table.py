"""The table of scores: what is best stands first, what is not known is a dash."""

import pytest
from workspaces import ROOT

from tidegate.evaluation.score_table import ScoreTable, score_cell
from tidegate.workspace.settings import load_settings

MADE = {
    "naive": {"mae": 2.0, "rmse": 3.0, "mase": 1.0, "mase_median": 0.9, "skill": 0.0},
    "net": {"mae": 1.0, "rmse": 1.5, "mase": 0.5, "mase_median": 0.4, "crps": 0.7, "coverage": 0.88, "skill": 0.5},
}


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [
        (0.8842, True, "88.4%"),
        (-0.03, True, "-3.0%"),
        (0.61758, False, "0.618"),
        (0.0, False, "0.000"),
        (0.001234, False, "0.00123"),
        (37.448, False, "37.448"),
        (None, True, "–"),
        (float("nan"), False, "–"),
    ],
)
def test_a_score_is_written_one_way(value: float | None, percent: bool, text: str) -> None:
    assert score_cell(value, percent) == text


def test_the_best_stands_first_and_a_column_has_its_unit() -> None:
    table = ScoreTable.of(load_settings(ROOT / "params.yaml"), MADE)
    assert table.headings == ["MAE, °C", "RMSE, °C", "MASE", "median MASE", "CRPS, °C", "coverage", "skill"]
    assert table.rows == {
        "net": ["1.000", "1.500", "0.500", "0.400", "0.700", "88.0%", "50.0%"],
        "naive": ["2.000", "3.000", "1.000", "0.900", "–", "–", "0.0%"],
    }
    assert table.as_markdown("net")[2].startswith("| **net** | 1.000 | ")


def test_no_median_where_no_candidate_has_one() -> None:
    scores = {name: {key: own[key] for key in own if key != "mase_median"} for name, own in MADE.items()}
    assert "median MASE" not in ScoreTable.of(load_settings(ROOT / "params.yaml"), scores).headings
