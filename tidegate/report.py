"""How a stage tells how far it is."""

from typing import Protocol


class Report(Protocol):
    """Takes what is done so far."""

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """Say that `done` of `total` is done; `note` stands beside the bar."""


def silent(done: float, total: float, note: str = "") -> None:
    """Report to nobody."""
