"""Trains PyTorch's own nets for bench/training.py, with a DataLoader."""

import os
from typing import Any

import torch
import turns
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Net(nn.Module):
    """A recurrent layer, and a linear one of its last state; segments are embedded before."""

    def __init__(self, shape: dict[str, Any]) -> None:
        """Make the layers."""
        super().__init__()
        self.width = shape["segment"] * shape["columns"]
        self.embedded = nn.Linear(self.width, shape["units"]) if shape["segment"] > 1 else None
        read = shape["units"] if self.embedded else self.width
        self.layer = LAYERS[shape["cell"]](read, shape["units"], batch_first=True)
        self.head = nn.Linear(shape["units"], shape["horizon"])

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        """Forecast: (batch, horizon)."""
        tokens = past.reshape(len(past), -1, self.width)
        if self.embedded:
            tokens = torch.relu(self.embedded(tokens))
        return self.head(self.layer(tokens)[0][:, -1])


def train(shape: dict[str, Any], epoch_ended: turns.Callable[[], None]) -> None:
    """Train a net of this shape."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Net(shape).to(device)
    optimizer = torch.optim.Adam(net.parameters(), 0.003)
    past, future = turns.windows(shape)
    loader = DataLoader(TensorDataset(torch.from_numpy(past), torch.from_numpy(future)), shape["batch"], shuffle=True)
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            loss = (net(x.to(device)) - y.to(device)).abs().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        epoch_ended()


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    turns.serve(train)
