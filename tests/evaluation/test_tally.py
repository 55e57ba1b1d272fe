"""Sums that are made part by part give what all forecasts at once would: every metric, wherever it is averaged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candidates import noisy, origins_of, spec
from sklearn.metrics import roc_auc_score

from tidegate.errors import DataError
from tidegate.evaluation import origins
from tidegate.evaluation.breakdown import by_day, by_station, by_step
from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.origins import origin_times
from tidegate.evaluation.tally import Tally, score, tally
from tidegate.workspace.progress import no_progress

NAMES = ("base", "other")
KINDS = pytest.mark.parametrize("alert", [None, ("above", 1.0)], ids=["values", "alert"])


def summed(
    alert: object, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Tally], dict[str, Comparison], origins.TestOrigins]:
    """Tallies that were made of 37 windows at a time, and the forecasts of all windows at once."""
    test = origins_of(spec(alert=alert))
    candidates = noisy(test, NAMES)
    monkeypatch.setattr(origins, "WINDOWS_AT_ONCE", 37)
    assert len(list(test.parts())) > len(test.panel.spec.stations)
    return tally(candidates, test, no_progress), {name: one(test) for name, one in candidates.items()}, test


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def some(compared: Comparison, chosen: object) -> Comparison:
    """Leave only some of the measurements."""
    measured = np.full(compared.measured.shape, np.nan)
    measured[chosen] = compared.measured[chosen]  # type: ignore[index]
    return Comparison(compared.point, measured, compared.scale, compared.quantiles, compared.levels)


@KINDS
def test_all_stations_and_steps_score_as_the_whole_does(alert: object, monkeypatch: pytest.MonkeyPatch) -> None:
    tallies, whole, test = summed(alert, monkeypatch)
    for name in NAMES:
        expected = {key: metric(whole[name]) for key, metric in test.metrics.items()}
        assert tallies[name].scores() == pytest.approx(expected)
    for row in by_station(tallies, test).to_dict("records"):
        at = test.starts[:, 0] == test.panel.spec.stations.index(row["station"])
        target = test.panel.spec.targets.index(row["target"])
        part = some(whole[row["model"]], (at, slice(None), slice(target, target + 1)))
        assert row["values"] == part.known.sum() > 0
        for key, metric in test.metrics.items():
            assert row[key] == pytest.approx(metric(part))
    steps = by_step(tallies)
    assert list(steps["step"]) == list(range(1, test.panel.spec.target_steps + 1)) * 2
    for row in steps.to_dict("records"):
        part = some(whole[row["model"]], (slice(None), row["step"] - 1))
        for key, metric in test.metrics.items():
            assert row[key] == pytest.approx(metric(part))


@KINDS
def test_a_day_is_the_origins_and_sums_up_what_was_measured(alert: object, monkeypatch: pytest.MonkeyPatch) -> None:
    tallies, whole, test = summed(alert, monkeypatch)
    days = origin_times(test).floor("D")
    rows = by_day(tallies, "base", test)
    assert len(rows) == 2 * len(pd.DataFrame({"day": days, "station": test.starts[:, 0]}).drop_duplicates())
    for row in rows.to_dict("records"):
        at = (test.starts[:, 0] == test.panel.spec.stations.index(row["station"])) & (days == row["day"])
        losses = {name: np.abs(one.errors[at]) ** (2 if alert else 1) for name, one in whole.items()}
        assert row["verified"] == np.isfinite(losses["base"]).sum()
        assert row["loss"] == pytest.approx(np.nanmean(losses[row["model"]]))
        assert row["naive_loss"] == pytest.approx(np.nanmean(losses["base"]))
        if alert:
            assert np.isnan(row["coverage"])
        else:
            assert row["coverage"] == pytest.approx(test.metrics["coverage"](whole[row["model"]].windows(at)))


def test_a_part_reads_what_was_measured_after_its_own_origins() -> None:
    test = origins_of(spec())
    chosen = np.array([3, 5, 200])
    np.testing.assert_array_equal(test.part(chosen).measured, test.measured[chosen])
    np.testing.assert_array_equal(test.part(chosen).scale, test.scale[chosen])


def test_a_figure_that_is_undefined_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tallies, whole, _ = summed(("above", 1.0), monkeypatch)
    known = whole["other"].known
    truth, chance = whole["other"].measured[known], whole["other"].point[known]
    assert score(tallies, "base", "brier")["other"]["auroc"] == pytest.approx(roc_auc_score(truth, chance), abs=1e-6)
    for one in whole.values():
        one.measured[known] = 0.0  # no alert at all
    test = origins_of(spec(alert=("above", 1.0)))
    calm = {name: Tally(test) for name in NAMES}
    for name, of_candidate in calm.items():
        of_candidate.add(test, whole[name])
    scores = score(calm, "base", "brier")
    assert "auroc" not in scores["other"] and "brier" in scores["other"]


def test_a_baseline_without_any_error_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tallies, _, _ = summed(None, monkeypatch)
    tallies["base"].sums["mase"][:] = 0
    with pytest.raises(DataError, match="forecasts the test span without any error"):
        score(tallies, "base", "mase")
