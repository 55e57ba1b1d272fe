"""How much of the processor and the GPUs a training uses: MLflow's system metrics, read at intervals."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

INTERVAL_SECONDS = 5.0
MAX_READINGS = 120  # if there are more, every second one is dropped, and the interval is doubled


class Utilisation:
    """Readings of system metrics: (milliseconds since 1970, {"system/cpu_utilization_percentage": …})."""

    def __init__(self) -> None:
        """Find what can be read: the processor, and NVIDIA GPUs if their library is installed."""
        self.readings: list[tuple[int, dict[str, float]]] = []
        self.monitors: list[Any] = [CPUMonitor()]
        with suppress(ImportError, RuntimeError):
            self.monitors.append(GPUMonitor())

    def read(self) -> None:
        """Take a reading."""
        metrics: dict[str, float] = {}
        for monitor in self.monitors:
            monitor.collect_metrics()
            metrics.update({f"system/{name}": value for name, value in monitor.aggregate_metrics().items()})
            monitor.clear_metrics()
        self.readings.append((int(time.time() * 1000), metrics))


@contextmanager
def measure_utilisation() -> Iterator[Utilisation]:
    """Take readings in the background until the end of the block."""
    usage, finished = Utilisation(), threading.Event()

    def read() -> None:
        interval = INTERVAL_SECONDS
        while not finished.wait(interval):
            usage.read()
            if len(usage.readings) > MAX_READINGS:
                del usage.readings[::2]
                interval *= 2

    usage.read()  # the processor's first reading only starts the measurement, and has no meaning
    usage.readings.clear()
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield usage
    finally:
        finished.set()
        thread.join()
        usage.read()
