"""How a stage tells how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Takes what is done so far."""

    def __call__(self, done: float, total: float, note: str = "", loss: float | None = None) -> None:
        """Say that `done` of `total` is done; `note` stands beside the bar; `loss` where an epoch has been validated.

        What it raises ends the training: so a search stops a trial that goes nowhere.
        """


def no_progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
    """Report to nobody."""
