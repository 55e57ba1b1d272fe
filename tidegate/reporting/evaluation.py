"""The report's figures of the candidates: forecasts, errors by step, station and hour, calibration, and training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tidegate.evaluation.details import BY_HOUR, CALIBRATION, SHOWN
from tidegate.measurements.frame import read_frame
from tidegate.reporting import charts
from tidegate.workspace.columns import STATION
from tidegate.workspace.paths import DIAGNOSIS, EVALUATION
from tidegate.workspace.settings import Settings

Scores = Mapping[str, Mapping[str, float]]
LATITUDE, LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng")


@dataclass(frozen=True)
class Figure:
    """A chart with what it shows in words."""

    title: str
    alt: str
    spec: charts.Spec


@dataclass(frozen=True)
class Section:
    """A part of the report: its figures, or why there are none."""

    title: str
    lead: str
    figures: Sequence[Figure] = field(default_factory=tuple)
    why: str = ""


def sections(settings: Settings, scores: Scores, baseline: str, colours: Mapping[str, str]) -> list[Section]:
    """Draw what an evaluation and its trainings have left; a section without its file says what makes it.

    Args:
        settings: of the workspace.
        scores: of the candidates; empty before the first evaluation.
        baseline: its name.
        colours: of the candidates.
    """
    best = min(scores, key=lambda name: scores[name][settings.evaluate.metric]) if scores else baseline
    shown = Shown(settings, best, baseline, colours)
    return [shown.forecasts(), shown.by_step(), shown.by_station(), shown.by_hour(), shown.calibration(),
            shown.gradients(), shown.learning()]  # fmt: skip


def day_figure(rows: pd.DataFrame) -> Figure:
    """Draw the skill of issued forecasts by day."""
    alt = f"Skill of issued forecasts by day, from {rows['skill'].min():.0%} to {rows['skill'].max():.0%}."
    return Figure("Skill by day", alt, charts.days(rows))


@dataclass(frozen=True)
class Shown:
    """What the sections have in common."""

    settings: Settings
    best: str
    baseline: str
    colours: Mapping[str, str]

    @property
    def unit(self) -> str:
        """The unit of the first target."""
        return self.settings.dataset.variables[self.settings.dataset.targets[0]].unit

    @property
    def error(self) -> str:
        """What an error is, for an axis."""
        unit = self.settings.dataset.unit_of_targets
        return "squared error of the probability" if self.settings.window.alert else f"mean absolute error, {unit}"

    def forecasts(self) -> Section:
        """The last test forecasts of the best candidate."""
        title, lead = "Forecasts", (
            f"The last test forecasts of {self.best}, one horizon after another, with its interval shaded and the "
            "baseline dashed, at the stations of the least, the median and the largest error of all candidates."
        )  # fmt: skip
        if (why := _absent(EVALUATION / SHOWN, "evaluate")) or self.best not in self.colours:
            return Section(title, lead, why=why)
        rows = read_frame(EVALUATION / SHOWN)
        label = "probability" if self.settings.window.alert else f"{self.settings.dataset.targets[0]}, {self.unit}"
        figures = []
        for (rank, station), part in rows.groupby(["rank", STATION], sort=False):
            error = (part["forecast"] - part["measured"]).abs().groupby(part["model"]).mean()
            alt = f"Forecasts of {self.best} at {station}: mean absolute error here {error[self.best]:.3g}"
            alt += f", the baseline's {error[self.baseline]:.3g}."
            alert = self.settings.window.alert is not None
            spec = charts.forecasts(part, self.best, self.baseline, self.colours[self.best], label, end_to_end=alert)
            figures.append(Figure(f"{station}, the {rank} station", alt, spec))
        return Section(title, lead, figures)

    def by_step(self) -> Section:
        """Errors by step ahead."""
        title, lead = "Error by step ahead", "All candidates on the same test origins."
        if self.settings.window.alert:
            return Section(title, lead, why="An alert is forecast for the whole horizon at once.")
        if why := _absent(EVALUATION / "by_step.csv", "evaluate"):
            return Section(title, lead, why=why)
        rows = pd.read_csv(EVALUATION / "by_step.csv")
        spec = charts.lines(rows, ("step", "steps ahead"), ("mae", self.error), self.colours)
        return Section(title, lead, [Figure(title, self._ends(rows, "step", "mae"), spec)])

    def by_station(self) -> Section:
        """Scores by station: a map where coordinates are given."""
        metric = self.settings.evaluate.metric
        title, lead = "Error by station", f"{metric} of {self.best}, beside the baseline's."
        if why := _absent(EVALUATION / "by_station.csv", "evaluate"):
            return Section(title, lead, why=why)
        scores = pd.read_csv(EVALUATION / "by_station.csv", dtype={STATION: str})
        scores = scores.groupby(["model", STATION])[metric].mean().unstack("model")
        rows = pd.DataFrame({"score": scores[self.best], "baseline": scores[self.baseline]}).reset_index()
        ranked = rows.sort_values("score")
        least, worst = ranked.iloc[0], ranked.iloc[-1]
        alt = f"{metric} of {self.best} by station, from {least['score']:.3g} at {least[STATION]} "
        alt += f"to {worst['score']:.3g} at {worst[STATION]}."
        latitude, longitude = (self._attribute(names) for names in (LATITUDE, LONGITUDE))
        if latitude and longitude:
            placed = rows.assign(latitude=rows[STATION].map(latitude), longitude=rows[STATION].map(longitude))
            return Section(title, lead, [Figure(title, alt, charts.station_map(placed, metric))])
        return Section(
            title, lead, [Figure(title, alt, charts.stations(rows, metric, metric, self.colours[self.best]))]
        )

    def by_hour(self) -> Section:
        """Errors by hour of the day."""
        zone = self.settings.dataset.time_zone
        title, lead = "Error by hour of the day", f"Hours of the time that was forecast, {zone}."
        if why := _absent(EVALUATION / BY_HOUR, "evaluate"):
            return Section(title, lead, why=why)
        rows = pd.read_csv(EVALUATION / BY_HOUR)
        if rows.empty:
            return Section(title, lead, why="The steps of this data set are days or longer.")
        spec = charts.lines(rows, ("hour", f"hour of the day ({zone})"), ("loss", self.error), self.colours)
        return Section(title, lead, [Figure(title, self._ends(rows, "hour", "loss"), spec)])

    def calibration(self) -> Section:
        """How often quantiles, or probabilities, came true."""
        alert = self.settings.window.alert is not None
        title = "Calibration"
        lead = "On the diagonal a probability means what it says."
        if why := _absent(EVALUATION / CALIBRATION, "evaluate"):
            return Section(title, lead, why=why)
        rows = pd.read_csv(EVALUATION / CALIBRATION)
        if rows.empty:
            return Section(title, lead, why="No candidate gives intervals.")
        titles = ("forecast probability", "share with an alert") if alert else ("quantile", "share measured below it")
        own = rows[rows["model"] == self.best]
        alt = f"Of {self.best}: " + ", ".join(
            f"promised {row['promised']:.0%}, held {row['held']:.1%}" for _, row in own.iterrows()
        )
        return Section(title, lead, [Figure(title, f"{alt}.", charts.calibration(rows, self.colours, titles))])

    def gradients(self) -> Section:
        """How much of the gradient reaches each step of the lookback."""
        path = DIAGNOSIS / "gradient_flow.csv"
        title, lead = (
            "Gradient flow",
            "How much of the loss's gradient reaches each step of the lookback, before clipping.",
        )
        if why := _absent(path, "diagnose"):
            return Section(title, lead, why=why)
        rows = pd.read_csv(path)
        if rows.empty:
            return Section(title, lead, why="No candidate is recurrent.")
        rows = rows[rows["gradient_norm"] > 0]
        x, y = ("steps_back", "steps before the forecast"), ("gradient_norm", "norm of ∂loss/∂h")
        spec = charts.lines(rows, x, y, self.colours, log=True, falling=True)
        return Section(title, lead, [Figure(title, self._ends(rows, "steps_back", "gradient_norm"), spec)])

    def learning(self) -> Section:
        """Losses by epoch."""
        path = EVALUATION / "learning_curves.csv"
        title, lead = "Learning curves", "Loss of scaled values by epoch, of candidates that learn by gradient."
        if why := _absent(path, "evaluate"):
            return Section(title, lead, why=why)
        wide = pd.read_csv(path)
        if wide.empty:
            return Section(title, lead, why="No candidate learns by gradient.")
        rows = wide.assign(epoch=wide["epoch"] + 1).rename(columns={"train_loss": "training"})
        rows = rows.rename(columns={"validation_loss": "validation"})
        rows = rows.melt(["model", "epoch"], ["validation", "training"], "of", "loss")
        spec = charts.lines(rows, ("epoch", "epoch"), ("loss", "loss"), self.colours, dashed="of")
        validation = rows[rows["of"] == "validation"]
        return Section(title, lead, [Figure(title, self._ends(validation, "epoch", "loss"), spec)])

    def _ends(self, rows: pd.DataFrame, x: str, y: str) -> str:
        """Say in words where each candidate's line begins and ends."""
        said = []
        for name, part in rows.groupby("model", sort=False):
            first, last = part.sort_values(x).iloc[0], part.sort_values(x).iloc[-1]
            said.append(f"{name} {first[y]:.3g} at {x} {first[x]:g} and {last[y]:.3g} at {last[x]:g}".replace("_", " "))
        return "; ".join(said) + "."

    def _attribute(self, names: Sequence[str]) -> Mapping[str, float] | None:
        """Give the stations' values of an attribute of dataset.static, under any of its names."""
        static = {name.lower(): values for name, values in self.settings.dataset.static.items()}
        return next((static[name] for name in names if name in static), None)


def _absent(path: Path, stage: str) -> str:
    """Say what makes a file, if it is not there."""
    return "" if path.exists() else f"{path} is not here: the stage {stage} writes it (tidegate run)."
