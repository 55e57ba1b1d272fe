"""The charts of the report, as Vega-Lite specs: one colour a candidate, units and time zone on the axes."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from tidegate.evaluation.colours import BASELINE, BLUE, MEASURED

Spec = dict[str, Any]
MOST_BARS = 40  # of more stations the first and the last are shown


def lines(
    rows: pd.DataFrame, x: tuple[str, str], y: tuple[str, str], colours: Mapping[str, str], log: bool = False,
    falling: bool = False, dashed: str | None = None,
) -> Spec:  # fmt: skip
    """Draw a line a candidate.

    Args:
        rows: model, and the columns of x and y.
        x: column and title.
        y: column and title.
        colours: of the candidates.
        log: whether y is logarithmic.
        falling: whether x falls to the right.
        dashed: a column of two values, the second of which is dashed.
    """
    scale = alt.Scale(type="log") if log else alt.Scale(zero=True)
    axis = alt.Axis(tickCount=5, format=".0e") if log else alt.Axis()
    encoding: dict[str, Any] = {
        "x": alt.X(
            x[0],
            type="quantitative",
            title=x[1],
            scale=alt.Scale(reverse=falling, nice=False, zero=False),
            axis=alt.Axis(tickMinStep=1),
        ),
        "y": alt.Y(y[0], type="quantitative", title=y[1], scale=scale, axis=axis),
        "color": _by_model(rows, colours),
        "tooltip": [alt.Tooltip("model:N"), alt.Tooltip(f"{x[0]}:Q"), alt.Tooltip(f"{y[0]}:Q", format=".4~g")],
    }
    if dashed:  # the first in the rows is drawn whole
        kinds = alt.Scale(domain=list(rows[dashed].unique()), range=[[1, 0], [4, 3]])
        encoding["strokeDash"] = alt.StrokeDash(dashed, type="nominal", title=None, scale=kinds)
    return _spec(alt.Chart(rows).mark_line(point=len(rows) <= 60, strokeWidth=2).encode(**encoding), 280)


def forecasts(rows: pd.DataFrame, model: str, baseline: str, colour: str, label: str, end_to_end: bool) -> Spec:
    """Draw a candidate's forecasts of a station with their interval, the baseline's, what was measured, and origins.

    With `end_to_end` forecasts of one value each, alerts, are one line.
    """
    own, other = (rows[rows["model"] == name].drop(columns=["rank", "station"]) for name in (model, baseline))
    title = "time (UTC)" if end_to_end else "time (UTC); dotted: origins"
    x = alt.X("time:T", title=title, scale=alt.Scale(type="utc"), axis=alt.Axis(grid=False))
    scale = alt.Scale(zero=False)
    when = alt.Tooltip("time:T", title="time (UTC)", format="%Y-%m-%d %H:%M", formatType="utc")
    told = [when, *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("measured", "forecast", "low", "high"))]
    y = alt.Y("forecast:Q", title=label, scale=scale)
    base, each = alt.Chart(own), {} if end_to_end else {"detail": alt.Detail("origin:T")}
    layers: list[Any] = []
    if not end_to_end:
        origins = alt.Chart(own[["origin"]].drop_duplicates()).mark_rule(color=BASELINE, strokeDash=[2, 2])
        layers.append(origins.encode(x=alt.X("origin:T", title=title, scale=alt.Scale(type="utc"))))
    if own["low"].notna().any():
        band = base.mark_area(color=colour, opacity=0.3)
        layers.append(band.encode(x=x, y=alt.Y("low:Q", title=label, scale=scale), y2="high:Q", **each))
    measured = base.mark_line(color=MEASURED, strokeWidth=1.3)
    layers.append(measured.encode(x=x, y=alt.Y("measured:Q", title=label, scale=scale)))
    if model != baseline:
        dashed = alt.Chart(other).mark_line(color=BASELINE, strokeDash=[5, 3], strokeWidth=1.5)
        layers.append(dashed.encode(x=x, y=y, **each))
    layers.append(base.mark_line(color=colour, strokeWidth=2).encode(x=x, y=y, **each))
    layers.append(base.mark_point(opacity=0, size=100).encode(x=x, y=y, tooltip=told))
    return _spec(alt.layer(*layers), 230)


def stations(rows: pd.DataFrame, metric: str, label: str, colour: str) -> Spec:
    """Draw a score a station, the best first, as bars, with the baseline's as a tick: station, score, baseline."""
    rows = rows.sort_values("score")
    if len(rows) > MOST_BARS:
        rows = pd.concat([rows.head(MOST_BARS // 2), rows.tail(MOST_BARS // 2)])
    y = alt.Y("station:N", sort=list(rows["station"]), title=None)
    told = [alt.Tooltip("station:N"), *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("score", "baseline"))]
    x = alt.X("score:Q", title=f"{label}; grey: the baseline's")
    bars = alt.Chart(rows).mark_bar(color=colour).encode(x=x, y=y, tooltip=told)
    ticks = alt.Chart(rows).mark_tick(color=BASELINE, thickness=3).encode(x="baseline:Q", y=y)
    return _spec(alt.layer(bars, ticks), 60 + 18 * len(rows))


def station_map(rows: pd.DataFrame, label: str) -> Spec:
    """Draw a score a station where it stands: station, score, baseline, latitude, longitude in degrees."""
    told = [alt.Tooltip("station:N"), *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("score", "baseline"))]
    x = alt.X("longitude:Q", title="longitude, °", scale=alt.Scale(zero=False, padding=20))
    y = alt.Y("latitude:Q", title="latitude, °", scale=alt.Scale(zero=False, padding=20))
    color = alt.Color("score:Q", title=label, scale=alt.Scale(scheme="viridis"))
    points = (
        alt.Chart(rows).mark_circle(size=140, stroke=MEASURED, opacity=1).encode(x=x, y=y, color=color, tooltip=told)
    )
    names = alt.Chart(rows).mark_text(dy=-13, fontSize=11).encode(x=x, y=y, text="station:N")
    return _spec(alt.layer(points, *([names] if len(rows) <= MOST_BARS else [])), 340)


def calibration(rows: pd.DataFrame, colours: Mapping[str, str], titles: tuple[str, str]) -> Spec:
    """Draw what was held against what was promised; on the diagonal the two agree: model, promised, held."""
    diagonal = alt.Chart(pd.DataFrame({"promised": [0, 1], "held": [0, 1]})).mark_line(
        color=BASELINE, strokeDash=[2, 2]
    )
    domain = alt.Scale(domain=[0, 1])
    x = alt.X("promised:Q", title=titles[0], scale=domain, axis=alt.Axis(format="%"))
    y = alt.Y("held:Q", title=titles[1], scale=domain, axis=alt.Axis(format="%"))
    told = [alt.Tooltip("model:N"), *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("promised", "held"))]
    drawn = alt.Chart(rows).mark_line(point=True, strokeWidth=2)
    return _spec(
        alt.layer(diagonal.encode(x=x, y=y), drawn.encode(x=x, y=y, color=_by_model(rows, colours), tooltip=told)), 280
    )


def days(rows: pd.DataFrame) -> Spec:
    """Draw the skill of issued forecasts by day of their origin: day, skill."""
    x = alt.X("day:T", title="day of the origin (UTC)", scale=alt.Scale(type="utc"))
    y = alt.Y("skill:Q", title="skill against seasonal naive", axis=alt.Axis(format="%"))
    told = [alt.Tooltip("day:T", formatType="utc", format="%Y-%m-%d"), alt.Tooltip("skill:Q", format=".1%")]
    return _spec(alt.Chart(rows).mark_line(point=True, color=BLUE).encode(x=x, y=y, tooltip=told), 230)


def _by_model(rows: pd.DataFrame, colours: Mapping[str, str]) -> alt.Color:
    """Give each candidate its colour, in the order of params.yaml."""
    names = [name for name in colours if name in set(rows["model"])]
    scale = alt.Scale(domain=names, range=[colours[name] for name in names])
    return alt.Color("model:N", scale=scale, title=None)


def _spec(chart: Any, height: int) -> Spec:
    """Give a chart's spec, as wide as its place; the page says which Vega-Lite draws it, and in which scheme."""
    with alt.data_transformers.enable("default", max_rows=None):
        spec: Spec = chart.properties(width="container", height=height).to_dict()
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return {key: part for key, part in spec.items() if key not in ("$schema", "config")}
