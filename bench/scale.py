"""How time and memory grow with the number of stations, in each stage: one year, hourly, two variables.

    make bench-scale                            10², 10³ and 10⁴ stations: about 20 minutes, 10 GB of disk
    .venv/bin/python bench/scale.py 100 1000    about 5 minutes

Prints for each number of stations the rows, seconds and peak memory of each stage, beside plain pandas that holds all
rows at once and checks the same (where that fits into the memory limit). Two candidates that are fitted at once,
seasonal naive and linear, are evaluated. Each measured in a process of its own, one after the other. The ratio to plain
pandas is of processor time, without what the imports cost, which is measured first. Target: 1.2.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import page
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from drawing import Drawing
from rich.table import Table
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
START, HOURS = pd.Timestamp("2024-01-01", tz="UTC"), 365 * 24
STAGES = ("ingest", "validate", "window", "evaluate")
CANDIDATES = ("seasonal_naive", "linear")
MEMORY_GIB = 8
STATIONS_A_FILE = 1000
PANDAS_BYTES_A_ROW = 240  # what plain pandas was seen to need at its peak
VARIABLES = {
    "temperature": {"unit": "°C", "min": -50, "max": 55, "spike": 20},
    "rain": {"unit": "mm", "min": 0, "max": 200, "stuck_steps": 6, "floor": 0.0},
}


def generate(folder: Path, stations: int) -> int:
    """Write a year of hourly rows as Parquet, a file a month and thousand stations, with a few faults; count them."""
    folder.mkdir(parents=True)
    written = 0
    months = pd.date_range(START, periods=HOURS, freq="h", unit="us").to_series().groupby(lambda time: time.month)
    for first in range(0, stations, STATIONS_A_FILE):
        names = np.array([f"S{number:05d}" for number in range(first, min(first + STATIONS_A_FILE, stations))])
        for month, times in months:
            rng = np.random.default_rng([first, month])
            cells = len(names) * len(times)
            hour = np.tile(times.dt.hour.to_numpy(), len(names))
            temperature = 10 + 8 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 1, cells)
            temperature[rng.random(cells) < 1e-4] = -999
            rain = np.where(rng.random(cells) < 0.1, rng.exponential(1.0, cells), 0)
            table = pa.table(
                {
                    "station": pa.DictionaryArray.from_arrays(
                        np.repeat(np.arange(len(names), dtype=np.int32), len(times)), names
                    ).cast(pa.string()),
                    "time": pa.array(np.tile(times.astype("int64").to_numpy(), len(names))).cast(
                        pa.timestamp("us", "UTC")
                    ),
                    "temperature": temperature.round(1),
                    "rain": rain.round(1),
                }
            )
            pq.write_table(table, folder / f"{first:05d}-{month:02d}.parquet")
            written += cells
    return written


def workspace(folder: Path, rows: Path) -> None:
    """Lay out a workspace that reads these files."""
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    yaml = YAML()
    content = yaml.load(folder / "params.yaml")
    content["dataset"].update(
        {
            "source": "files",
            "options": {"paths": f"{rows}/*.parquet", "station": "station", "time": "time"},
            "variables": VARIABLES,
            "targets": ["temperature"],
            "covariates": ["rain"],
        }
    )
    content["models"] = {name: content["models"][name] for name in CANDIDATES}
    yaml.dump(content, folder / "params.yaml")
    (folder / "data.dvc").write_text(f"outs:\n- md5: {'0' * 32}.dir\n  path: data\n")  # not hashed, but runs name it


def measured(folder: Path, *words: str) -> dict[str, float]:
    """Run Python in a workspace; give its wall seconds and its peak memory in GiB, children included."""
    began = time.perf_counter()
    before = time.process_time()
    process = subprocess.Popen(
        [sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{words} failed with {status} (process time here {before:.0f} s)")
    return {"seconds": time.perf_counter() - began, "cpu": used.ru_utime + used.ru_stime, "gib": used.ru_maxrss / 2**20}


def stage(*words: str) -> list[str]:
    """Say how a stage is run: without DVC, whose hashing is not what is measured."""
    return ["-c", f"from tidegate.pipeline import drive; drive.run_stage({list(words)})"]


def imports(folder: Path) -> dict[str, float]:
    """Measure the processor seconds that the stages' imports, and those of plain pandas, take."""
    words = {name: f"import tidegate.pipeline.drive, tidegate.stages.{name}" for name in STAGES}
    return {name: measured(folder, "-c", code)["cpu"] for name, code in {**words, "pandas": "import pandas"}.items()}


def plain(folder: Path) -> None:
    """Do the same checks with pandas, all rows at once; this runs in a process of its own."""
    rows = pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))], ignore_index=True)
    rows = rows.sort_values(["station", "time"], ignore_index=True).drop_duplicates(["station", "time"], keep="last")
    bad = (rows["temperature"] == -999) | ~rows["temperature"].between(-50, 55)
    bad_rain = (rows["rain"] == -999) | ~rows["rain"].between(0, 200)
    hour = pd.Timedelta("1h")
    follows = rows.groupby("station")["time"].diff() == hour
    run = ((rows["rain"] != rows["rain"].shift()) | ~follows).cumsum()
    bad_rain |= (run.map(run.value_counts()) > 6) & (rows["rain"] > 0) & run.duplicated()
    by_station = rows.groupby("station")["temperature"]
    before, after = by_station.shift(), by_station.shift(-1)
    here = rows["temperature"]
    out = np.maximum(np.minimum(here - before, here - after), np.minimum(before - here, after - here))
    bend = (here - (before + after) / 2).abs()
    season = (rows["time"].dt.month % 12) // 3
    scale = 1.4826 * bend.groupby([rows["station"], season]).transform("median")
    bad |= out > 20 * scale
    clean = rows.assign(temperature=here.mask(bad), rain=rows["rain"].mask(bad_rain))
    for name in ("temperature", "rain"):
        valued = clean[clean[name].notna()]
        (valued.groupby("station")["time"].diff() > 337 * hour).sum()
        clean[name].isna().groupby(clean["station"]).mean()
        (valued["time"].max() - valued.groupby("station")["time"].max()).max()
        for _, part in valued.groupby(["station", valued["time"].dt.month])[name]:
            part.quantile(np.linspace(0, 1, 11))
    clean.to_parquet(folder.parent / "clean.parquet")


def at(stations: int, scratch: Path) -> dict[str, object]:
    """Measure one number of stations."""
    rows_at = scratch / "rows"
    rows = generate(rows_at, stations)
    place = scratch / "workspace"
    place.mkdir()
    workspace(place, rows_at)
    found: dict[str, object] = {"stations": stations, "rows": rows, "imports": imports(place)}
    for name in STAGES:
        if name == "evaluate":
            for candidate in CANDIDATES:
                measured(place, *stage("train", candidate))
        found[name] = measured(place, *stage(name))
        print_line(stations, rows, name, found[name])
    if rows * PANDAS_BYTES_A_ROW < MEMORY_GIB * 2**30:
        found["pandas"] = measured(place, __file__, "--plain", str(rows_at))
        print_line(stations, rows, "pandas", found["pandas"])
    else:
        print(f"{stations:>8,} {rows:>12,}  pandas    does not fit into {MEMORY_GIB} GiB", flush=True)
    return found


def print_line(stations: int, rows: int, name: str, figures: object) -> None:
    """Print one measurement."""
    assert isinstance(figures, dict)
    rate = rows / figures["seconds"]
    print(
        f"{stations:>8,} {rows:>12,}  {name:<9} {figures['seconds']:8.1f} s {rate:>12,.0f} rows/s "
        f"{figures['cpu']:8.1f} s CPU {figures['gib']:6.2f} GiB",
        flush=True,
    )


def beside_pandas(found: dict[str, Any]) -> float:
    """Give the processor time of ingest and gate as a ratio to plain pandas', imports apart."""
    work = {name: found[name]["cpu"] - found["imports"][name] for name in ("ingest", "validate", "pandas")}
    return (work["ingest"] + work["validate"]) / work["pandas"]


def row(found: dict[str, Any]) -> list[str]:
    """Give the cells of a number of stations."""
    plain = [f"does not fit into {MEMORY_GIB} GiB", "–"]
    if "pandas" in found:
        plain = [cell(found["pandas"]), f"{beside_pandas(found):.2f}"]
    return [f"{found['stations']:,}", f"{found['rows']:,}", *(cell(found[name]) for name in STAGES), *plain]


def cell(figures: dict[str, float]) -> str:
    """Say the seconds and the memory of a stage."""
    return f"{figures['seconds']:.0f} s, {figures['gib']:.1f} GiB"


def drawing(found: list[dict[str, Any]]) -> Drawing:
    """Draw the processor time and the memory of each number of stations."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {"processor time, s": {}, "peak memory, GiB": {}}
    for name in (*STAGES, "pandas"):
        for title, key in zip(panels, ("cpu", "gib"), strict=True):
            points = [(one["stations"], one[name][key]) for one in found if name in one]
            panels[title]["plain pandas" if name == "pandas" else name] = points
    says = "Processor time and peak memory of each stage against the number of stations"
    return Drawing("speed-stations", says, "stations", "", panels)


def main() -> None:
    """Measure all sizes."""
    if "--plain" in sys.argv:
        plain(Path(sys.argv[-1]))
        return
    sizes = [int(word) for word in sys.argv[1:]] or [100, 1000, 10_000]
    found = []
    for stations in sizes:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TIDEGATE_BENCH")) as scratch:
            found.append(at(stations, Path(scratch)))
    table = Table("stations", "rows", *STAGES, "plain pandas", "ingest and validate × plain pandas")
    for one in found:
        table.add_row(*row(one))
    page.show([table, drawing(found)])


if __name__ == "__main__":
    main()
