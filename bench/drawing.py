"""Figures of what was measured, on logarithmic axes: each is kept in docs/images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from tidegate.evaluation.colours import BLUE, GREEN, MEASURED, ORANGE, PURPLE, SKY, VERMILLION

IMAGES = Path(__file__).parent.parent / "docs" / "images"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, MEASURED)  # the first is ours
MARKERS = "osD^vPX"
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Drawing:
    """Panels side by side, each of lines by name; a name has one colour in all of them."""

    name: str  # of the file
    says: str  # to those who cannot see it
    x: str
    y: str  # of all panels; empty if each title says its own
    panels: Mapping[str, Mapping[str, Points]]  # by their titles

    def save(self) -> Path:
        """Write the figure; give its file."""
        figure = Figure(figsize=(2.2 + 3.1 * len(self.panels), 3.4), layout="constrained")
        axes = figure.subplots(1, len(self.panels), sharey=bool(self.y), squeeze=False)[0]
        names = list(dict.fromkeys(name for lines in self.panels.values() for name in lines))
        drawn = {}
        for axis, (title, lines) in zip(axes, self.panels.items(), strict=True):
            for name, points in lines.items():
                number = names.index(name)
                look = {"color": COLOURS[number], "marker": MARKERS[number], "markersize": 4}
                (drawn[name],) = axis.plot(*zip(*points, strict=True), **look)
            axis.set(xscale="log", yscale="log", title=title, xlabel=self.x)
            ticks = sorted({x for points in lines.values() for x, _ in points})
            axis.set_xticks(ticks, [f"{x:,.0f}" for x in ticks])
            axis.set_xticks([], minor=True)
            axis.yaxis.set_major_formatter("{x:,g}")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.grid(alpha=0.3)
        axes[0].set_ylabel(self.y)
        if len(drawn) > 1:
            figure.legend(drawn.values(), drawn.keys(), loc="outside right center", frameon=False)
        path = IMAGES / f"{self.name}.png"
        figure.savefig(path, dpi=110)
        return path
