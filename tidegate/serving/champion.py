"""The version that is served: the registry's champion, exchanged for a new one without a pause."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.errors import DataError, TidegateError
from tidegate.forecasting.forecaster import Forecaster
from tidegate.tracking import registry
from tidegate.tracking.registry import ModelVersion

logger = logging.getLogger("tidegate")


@dataclass(frozen=True)
class LoadedVersion:
    """A version of the registered model in memory."""

    name: str
    version: str
    candidate: str
    run: str  # MLflow's; with the version it names the model, even if the registry was made anew
    loaded: datetime  # UTC
    forecaster: Forecaster


@dataclass(frozen=True)
class State:
    """What is served, and a sentence that says why nothing, or not the newest, is; empty if all is well."""

    loaded: LoadedVersion | None = None
    problem: str = ""


class Champion:
    """The champion of a registered model, loaded, and followed when it changes.

    `state` is replaced as a whole, so that a request that has taken it keeps one version from beginning to end.
    """

    def __init__(self, name: str, poll_seconds: float) -> None:
        """Follow the alias of the registered model `name`, looking every `poll_seconds`."""
        self.name, self.poll_seconds = name, poll_seconds
        self.state = State()

    def refresh(self) -> None:
        """Load the champion if it is another than the loaded one; if that fails, the loaded one stays."""
        try:
            version = registry.champion(self.name)
            if version is None:
                self._exchange(None, registry.no_champion(self.name))
            else:
                self._exchange(self.state.loaded if self._is_loaded(version) else _load(version))
        except TidegateError as error:
            self._exchange(self.state.loaded, str(error))
        except Exception as error:  # whatever a damaged version raises, requests are answered by the loaded one
            problem = f"The champion of {self.name} cannot be loaded ({type(error).__name__}): the log has more."
            if problem != self.state.problem:  # once, not at each look
                logger.exception("the champion of %s cannot be loaded", self.name)
            self._exchange(self.state.loaded, problem)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Load the champion now, and follow the alias in a thread within the block."""
        self.refresh()
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(self.poll_seconds):
                self.refresh()

        threading.Thread(target=follow, name="champion", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def _is_loaded(self, version: ModelVersion) -> bool:
        loaded = self.state.loaded
        return loaded is not None and (loaded.version, loaded.run) == _identity(version)

    def _exchange(self, loaded: LoadedVersion | None, problem: str = "") -> None:
        """Replace the state, and log what is new in it."""
        if problem and problem != self.state.problem:
            logger.warning(problem)
        if loaded is not None and loaded is not self.state.loaded:
            logger.info("serving %s version %s (%s)", loaded.name, loaded.version, loaded.candidate)
        self.state = State(loaded, problem)


def _identity(version: ModelVersion) -> tuple[str, str]:
    return str(version.version), str(version.run_id)


def _load(version: ModelVersion) -> LoadedVersion:
    """Load a version.

    Raises:
        DataError: its files are gone.
        ServiceError: the store does not answer.
    """
    number, run = _identity(version)
    try:
        files = registry.version_files(version)
    except DataError as error:
        reason = str(error).partition(" (")[0]
        raise DataError(f"Version {number} cannot be served: {reason}.") from None
    candidate = version.tags.get("tidegate.candidate", "?")
    return LoadedVersion(version.name, number, candidate, run, datetime.now(UTC), Forecaster.load(*files))
