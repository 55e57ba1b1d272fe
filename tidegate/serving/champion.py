"""The version that is served: the registry's champion, exchanged for a new one without a pause."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.errors import TidegateError
from tidegate.forecasting.champions import no_champion
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


class Champion:
    """The champion of a registered model, loaded, and followed when it changes.

    `loaded` is replaced as a whole, so that a request that has taken it keeps one version from beginning to end.
    """

    def __init__(self, name: str, poll_seconds: float) -> None:
        """Follow the alias of the registered model `name`, looking every `poll_seconds`."""
        self.name, self.poll_seconds = name, poll_seconds
        self.loaded: LoadedVersion | None = None
        self.problem = ""  # a sentence: why nothing, or not the newest, is served

    def refresh(self) -> None:
        """Load the champion if it is another than the loaded one; if that fails, the loaded one stays."""
        try:
            version = registry.champion(self.name)
            if version is None:
                self.loaded = None
                self._note(no_champion(self.name))
                return
            if not self._is_loaded(version):
                self.loaded = _load(version)
                logger.info("serving %s version %s (%s)", self.name, version.version, self.loaded.candidate)
            self._note("")
        except TidegateError as error:
            self._note(str(error))
        except Exception as error:  # whatever a damaged version raises, requests are answered by the loaded one
            logger.exception("the champion of %s cannot be loaded", self.name)
            self._note(f"The champion of {self.name} cannot be loaded ({type(error).__name__}): the log has more.")

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
        return self.loaded is not None and (self.loaded.version, self.loaded.run) == _identity(version)

    def _note(self, problem: str) -> None:
        """Keep a problem, and log it once."""
        if problem and problem != self.problem:
            logger.warning(problem)
        self.problem = problem


def _identity(version: ModelVersion) -> tuple[str, str]:
    return str(version.version), str(version.run_id)


def _load(version: ModelVersion) -> LoadedVersion:
    forecaster = Forecaster.load(*registry.version_files(version))
    number, run = _identity(version)
    candidate = version.tags.get("tidegate.candidate", "?")
    return LoadedVersion(version.name, number, candidate, run, datetime.now(UTC), forecaster)
