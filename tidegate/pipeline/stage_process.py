"""A stage in a process of its own, beside those of the walk that has started it.

`beside` reads what it prints: after each epoch the arguments of a `Progress` as a list in JSON, at the end the stage's
line. Everything else goes to a log file.
"""

import json
import os
import signal
import sys
import threading
import time

from tidegate.pipeline import console, dag, drive

SECONDS_BETWEEN_LOOKS = 1.0


def main(name: str, parent: int) -> None:
    """Run a stage, as the walk would, and end when the walk's process does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exit in good order, which gives DVC's locks back
    end_with(parent)

    def run_verb(words: list[str]) -> None:
        with console.stage_line(name) as line:
            line.result = drive.result_of(words, _progress)

    try:
        with console.quiet(name):
            dag.run_alone(name, run_verb)
    finally:
        console.silence_until_exit()


def _progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
    if loss is not None:  # once an epoch
        console.print_result(json.dumps([done, total, note, loss]))


def end_with(parent: int) -> None:
    """From now on end when the process that has started this one is no more, even if it was killed."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
