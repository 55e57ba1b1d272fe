"""The candidates' test scores as a table, the same on the terminal, in the report, on the model card and in Prefect."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.evaluation.metrics import metrics_for
from tidegate.workspace.settings import Settings

MEDIAN = "mase_median"  # over the stations, beside the mean; only where there are several

Scores = Mapping[str, Mapping[str, float]]  # by candidate and metric, as in metrics.json


@dataclass(frozen=True)
class ScoreTable:
    """Headings of the columns, and by candidate its cells, the best candidate first."""

    headings: list[str]
    rows: dict[str, list[str]]

    def as_markdown(self, marked: str = "") -> list[str]:
        """Give the lines of a table in Markdown; one candidate may be marked."""
        lines = [f"| candidate | {' | '.join(self.headings)} |", f"|---|{'---:|' * len(self.headings)}"]
        for name, cells in self.rows.items():
            lines.append(f"| {f'**{name}**' if name == marked else name} | {' | '.join(cells)} |")
        return lines

    @classmethod
    def of(cls, settings: Settings, scores: Scores) -> "ScoreTable":
        """Tabulate the metrics that matter of what is forecast, and the skill."""
        columns = _columns(settings, any(MEDIAN in own for own in scores.values()))
        ranked = sorted(scores, key=lambda name: scores[name][settings.evaluate.metric])
        rows = {
            name: [score_cell(scores[name].get(key), percent) for key, (_, percent) in columns.items()]
            for name in ranked
        }
        return cls([label for label, _ in columns.values()], rows)


def _columns(settings: Settings, with_median: bool) -> dict[str, tuple[str, bool]]:
    """Give the heading of each column, and whether it is a percentage, by the key in metrics.json."""
    columns = {
        name: (metric.label.format(unit=settings.dataset.unit_of_targets), metric.percent)
        for name, metric in metrics_for(settings.window.alert).items()
        if metric.shown
    }
    if with_median:
        places = list(columns.items())
        places.insert(list(columns).index("mase") + 1, (MEDIAN, ("median MASE", False)))
        columns = dict(places)
    return {**columns, "skill": ("skill", True)}


def score_cell(value: float | None, percent: bool) -> str:
    """Write a score: a dash where there is none, a percentage, or three digits after the point or in all."""
    if value is None or value != value:
        return "–"
    if percent:
        return f"{value:.1%}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"
