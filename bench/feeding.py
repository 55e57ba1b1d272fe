"""Feeding: windows/s and memory of batches of windows, 96 × 8, of 20 stations, nothing trained, in turns.

    .venv/bin/python bench/feeding.py               about 4 minutes on two cores
    .venv/bin/python bench/feeding.py --short       about a minute: 10⁵ windows

1. 10⁶ windows in batches of 256: ours, which draws starts and gathers the windows of 16 batches from the panel in a
   compiled function, as a training does; keras.utils.timeseries_dataset_from_array; and PyTorch's DataLoader, a window
   an item, where bench/peers/torch is installed. Targets: 50 × Keras' utility, 5 × DataLoader. The slow ones give a
   part of the windows.
2. What ours needs over the data at ten times as many windows. Target at 10⁷: 200 MB.
3. The same from a file of 2 GB that is mapped into memory, by NumPy. Target: 80 % of the speed from an array in memory;
   this machine keeps such a file in its cache, so no disk is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import page
import psutil
from rich.table import Table

ROOT = Path(__file__).parent.parent
TORCH = ROOT / "bench" / "peers" / "torch"
STATIONS, LOOKBACK, COLUMNS, BATCH = 20, 96, 8, 256

Feed = Callable[[], float]  # gives the windows a second


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--short", action="store_true")
    given = options.parse_args()
    windows = 100_000 if given.short else 1_000_000
    fed = compare(f"{windows:,} windows", feeders(windows), given.rounds)
    memory = f"Over the data at {10 * windows:,} windows: {memory_over_the_data(10 * windows):.0f} MB."
    with tempfile.TemporaryDirectory() as folder:
        read = compare("NumPy, by the batch", mapped(Path(folder) / "panel.npy", given.short), given.rounds)
    page.show([fed, memory, read])


def panel_of(windows: int) -> np.ndarray:
    """Make measurements that hold so many windows: (stations, steps, columns)."""
    steps = windows // STATIONS + LOOKBACK - 1
    return np.random.default_rng(0).standard_normal((STATIONS, steps, COLUMNS), np.float32)


def starts_of(panel: np.ndarray) -> np.ndarray:
    """Name every window by its station and first step: (windows, 2)."""
    number = np.arange(STATIONS * (panel.shape[1] - LOOKBACK + 1), dtype=np.int32)
    starts = np.empty((len(number), 2), np.int32)  # nothing besides: memory is measured
    np.divmod(number, STATIONS, out=(starts[:, 1], starts[:, 0]))
    return starts


def feeders(windows: int) -> dict[str, Feed]:
    """Make what is compared, each run once."""
    import keras

    panel = panel_of(windows)
    joined = panel.reshape(-1, COLUMNS)  # so that Keras' utility lets windows cross from one station into the next
    slow = max(windows // 50, 10 * BATCH)

    def utility() -> float:
        return keras.utils.timeseries_dataset_from_array(joined, None, LOOKBACK, shuffle=True, batch_size=BATCH)

    found: dict[str, Feed] = {
        "ours": ours(panel),
        "timeseries_dataset_from_array": lambda: rate(iter(utility()), slow),
    }
    if (python := TORCH / ".venv" / "bin" / "python").exists():
        words = [str(python), str(TORCH / "feed.py"), *map(str, (windows, slow, STATIONS, LOOKBACK, COLUMNS, BATCH))]
        found["torch DataLoader"] = lambda: float(subprocess.run(words, capture_output=True, check=True).stdout)
    for feed in found.values():
        feed()
    return found


def ours(panel: np.ndarray) -> Feed:
    """Draw each window once in a new order, and gather 16 batches in an execution, as a compiled training does."""
    import tensorflow as tf

    from models.nets.training import STEPS_AN_EXECUTION, draw_batches, group_batches
    from models.nets.windowed import Gather

    gather = Gather(panel, 0, LOOKBACK)
    compiled = tf.function(lambda group: gather(tf.reshape(group, (-1, 2))), jit_compile=True)
    starts = starts_of(panel)
    batches = len(starts) // BATCH // STEPS_AN_EXECUTION * STEPS_AN_EXECUTION

    def batches_of_an_epoch() -> Iterator[object]:
        for (group,) in group_batches(draw_batches(starts, batches, BATCH, seed=1), batches):
            yield from [compiled(tf.constant(group))] * len(group)

    return lambda: rate(batches_of_an_epoch(), batches * BATCH)


def rate(batches: Iterator[object], windows: int) -> float:
    """Take so many windows in batches; give how many a second of processor time."""
    began = time.process_time()
    for _ in range(windows // BATCH):
        next(batches)
    return windows // BATCH * BATCH / (time.process_time() - began)


def memory_over_the_data(windows: int) -> float:
    """Feed every window in a process of its own; give the peak of its memory over the panel and what was imported."""
    script = f"import sys; sys.path.insert(0, 'bench'); import feeding; feeding.print_memory({windows})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)
    return float(done.stdout.split()[-1])


def print_memory(windows: int) -> None:
    """Print the peak of this process's memory, in MB, over the panel and what was imported."""
    import resource

    ours(panel_of(BATCH * STATIONS))()  # imports, and what compiling takes
    panel = panel_of(windows)
    before = psutil.Process().memory_info().rss
    ours(panel)()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print((peak - before - panel.nbytes) / 1e6)  # the panel once more: the device holds it


def mapped(path: Path, short: bool) -> dict[str, Feed]:
    """Read batches from an array in memory, and from the same array mapped from a file."""
    values = panel_of(1_000_000 if short else 62_000_000 // 2)
    np.save(path, values)
    starts = np.random.default_rng(0).permutation(starts_of(values[:, :50_000]))[:200_000]

    def read(array: np.ndarray) -> float:
        def batches() -> Iterator[object]:
            for first in range(0, len(starts), BATCH):
                chosen = starts[first : first + BATCH]
                yield array[chosen[:, :1], chosen[:, 1:] + np.arange(LOOKBACK)]

        return rate(batches(), len(starts) // BATCH * BATCH)

    return {"in memory": lambda: read(values), "mapped from a file": lambda: read(np.load(path, mmap_mode="r"))}


def compare(title: str, feeds: dict[str, Feed], rounds: int) -> Table:
    """Feed in turns; give medians with the slowest and fastest round."""
    rates: dict[str, list[float]] = {name: [] for name in feeds}
    for _ in range(rounds):
        for name, feed in feeds.items():
            rates[name].append(feed())
    first = statistics.median(next(iter(rates.values())))
    title = f"{title} (load {os.getloadavg()[0]:.1f})"
    table = Table("feeds", "windows a processor s", "of each round", "the first is × this", title=title)
    for name, each in rates.items():
        median = statistics.median(each)
        table.add_row(name, f"{median:,.0f}", f"{min(each):,.0f} – {max(each):,.0f}", f"{first / median:.2f}")
    return table


if __name__ == "__main__":
    main()
