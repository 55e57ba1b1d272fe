"""The progress callback: a stage calls it to show how far it is."""

from typing import Protocol


class Progress(Protocol):
    """A function that a stage calls while it works."""

    def __call__(self, done: float, total: float, note: str = "", loss: float | None = None) -> None:
        """Show that `done` of `total` is done.

        `note` is shown beside the progress bar. `loss` is the validation loss of the epoch that has just ended. An
        exception that the callback raises ends the training: this is how a search stops a trial early.
        """


def no_progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
    """Ignore the progress."""
