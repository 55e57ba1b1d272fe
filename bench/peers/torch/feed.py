"""Prints how many windows a second of processor time a DataLoader gives, a window an item, for bench/feeding.py."""

import sys
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset[torch.Tensor]):
    """Every window of a panel (stations, steps, columns)."""

    def __init__(self, panel: torch.Tensor, lookback: int) -> None:
        """Keep the panel."""
        self.panel, self.lookback = panel, lookback

    def __len__(self) -> int:
        """Count the windows."""
        return len(self.panel) * (self.panel.shape[1] - self.lookback + 1)

    def __getitem__(self, number: int) -> torch.Tensor:
        """Give a window: (lookback, columns)."""
        start = number // len(self.panel)
        return self.panel[number % len(self.panel), start : start + self.lookback]


def main() -> None:
    windows, fed, stations, lookback, columns, batch = map(int, sys.argv[1:])
    torch.set_num_threads(1)
    shape = stations, windows // stations + lookback - 1, columns
    panel = torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))
    batches = iter(DataLoader(Windows(panel, lookback), batch, shuffle=True))
    next(batches)
    began = time.process_time()
    for _ in range(fed // batch):
        next(batches)
    print(fed // batch * batch / (time.process_time() - began))


if __name__ == "__main__":
    main()
