"""How adapted intervals follow a shift: coverage of 90 % intervals by week, static and adapted.

    .venv/bin/python bench/adapted_intervals.py     half a minute

Prints a table over 20 simulated networks, and draws docs/images/adapted-intervals.png. Hourly forecasts 1, 6 and 24
steps ahead, whose errors are sums of as many shocks; after week 8 errors are 1.6 times as large, and moved by half of
what was their interval's half-width.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.stats import norm

from tidegate.verification.adaptive import track
from tidegate.workspace.settings import Forecast

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES = [f"q{level:g}" for level in LEVELS]
STEPS, WEEKS, SHIFT, NETWORKS = (1, 6, 24), 20, 8, 20
HOURS_A_WEEK = 168
FIGURE = Path("docs/images/adapted-intervals.png")


def simulated(seed: int) -> pd.DataFrame:
    """Verified forecasts of one network."""
    rng = np.random.default_rng(seed)
    hours = WEEKS * HOURS_A_WEEK
    times = pd.date_range("2025-01-06", periods=hours, freq="h", tz="UTC", unit="us")
    late = np.arange(hours) >= SHIFT * HOURS_A_WEEK
    parts = []
    for step in STEPS:
        error = np.convolve(rng.normal(size=hours + step - 1), np.ones(step) / np.sqrt(step), "valid")
        columns = dict(zip(NAMES, norm.ppf(LEVELS), strict=True))
        rows = pd.DataFrame({"station": "A", "variable": "level", "step": step, "time": times})
        rows["origin"] = times - pd.Timedelta(hours=step)
        parts.append(rows.assign(truth=np.where(late, 0.8 + 1.6 * error, error), **columns))
    return pd.concat(parts, ignore_index=True)


def coverage(seed: int) -> pd.DataFrame:
    """Coverage by week and step, static and adapted."""
    rows = simulated(seed)
    states = track(rows, NAMES, Forecast().adapt_rate, pd.DatetimeIndex(rows["origin"].unique()).sort_values())
    keys = pd.MultiIndex.from_frame(rows[["origin", "station", "variable", "step"]])
    moves = states.reindex(keys).fillna(0.0).to_numpy()
    low, high = rows[NAMES[0]], rows[NAMES[-1]]
    rows["static"] = rows["truth"].between(low, high)
    rows["adapted"] = rows["truth"].between(low + moves[:, 0], high + moves[:, -1])
    rows["week"] = rows.groupby("step").cumcount() // HOURS_A_WEEK + 1
    return rows.groupby(["week", "step"])[["static", "adapted"]].mean()


def main() -> None:
    """Simulate, print and draw."""
    table = pd.concat([coverage(seed) for seed in range(NETWORKS)]).groupby(level=[0, 1]).mean().unstack("step")
    print(f"90 % intervals hold, %, by week and steps ahead; a shift after week {SHIFT}")
    print((100 * table).round(1).to_string())
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.axhspan(88, 92, color="0.9", label="88 to 92 %")
    axes.axvline(SHIFT + 0.5, color="0.5", linestyle=":", label="shift")
    for step, color in zip(STEPS, ("#0072B2", "#D55E00", "#009E73"), strict=True):
        axes.plot(100 * table["adapted"][step], color=color, marker="o", markersize=3, label=f"adapted, {step} ahead")
        axes.plot(100 * table["static"][step], color=color, linestyle="--", label=f"static, {step} ahead")
    axes.set(xlabel="week", ylabel="measurements held by 90 % intervals, %", xlim=(1, WEEKS), ylim=(50, 100))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(FIGURE, dpi=120)
    print(f"Drawn: {FIGURE}")


if __name__ == "__main__":
    main()
