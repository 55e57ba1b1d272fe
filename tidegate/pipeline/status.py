"""How the workspace stands: data, stages, champion, forecasts and servers, each in a true sentence.

Everything is read from files, DVC's graph, and the servers' own addresses; neither pandas, MLflow nor Prefect is
imported, so that it takes little more than `dvc status`.
"""

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.errors import DataError, ServiceError, TidegateError, one_line, without_secrets
from tidegate.tracking import read_only, rest, store
from tidegate.tracking.log_entries import CHAMPION, Entry, last_of, read_entries
from tidegate.workspace.paths import (
    DATA,
    DATA_DVC,
    LOCK,
    MEASUREMENTS,
    MLFLOW_SERVER,
    PARAMS,
    PREFECT_SERVER,
    read_json,
)

ANSWER_SECONDS = 2.0  # of a server
SHOWN_STAGES = 4


@dataclass(frozen=True)
class Part:
    """A part of the status: a sentence for a person, figures for other programs."""

    says: str
    figures: dict[str, Any] = field(default_factory=dict)


def status() -> dict[str, Part]:
    """Look at each part of the workspace; one that cannot be read says so, and hides no other."""
    parts: dict[str, Callable[[], Part]] = {
        "data": _data,
        "stages": _stages,
        "champion": _champion,
        "forecasts": _forecasts,
        "prefect": lambda: _server("PREFECT_API_URL", PREFECT_SERVER, "Prefect's server"),
        "mlflow": lambda: _server("MLFLOW_TRACKING_URI", MLFLOW_SERVER, "MLflow's server"),
    }
    return {name: _or_its_error(look) for name, look in parts.items()}


def _or_its_error(look: Callable[[], Part]) -> Part:
    try:
        return look()
    except TidegateError as error:
        return Part(str(error).rstrip("."), {"error": str(error)})


def _yaml(path: Any) -> Any:
    try:
        return YAML(typ="safe").load(path)
    except (OSError, YAMLError) as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None


def _data() -> Part:
    from tidegate.verification.newest import time_span

    if not DATA_DVC.exists():
        return Part("there is none yet: tidegate ingest brings it from the source")
    try:
        digest = str(_yaml(DATA_DVC)["outs"][0]["md5"])
    except (KeyError, IndexError, TypeError):
        raise DataError(f"{DATA_DVC} names no data: take it from git again, or run tidegate ingest") from None
    files = sorted((DATA / MEASUREMENTS).glob("*.parquet"))
    if not files:
        return Part(f"{digest[:10]} is not here: dvc pull, or tidegate ingest, brings it", {"hash": digest})
    first, last = time_span(files, "time")
    return Part(f"{_minute(first)} to {_minute(last)} UTC, {digest[:10]}", {"hash": digest, "from": first, "to": last})


def _stages() -> Part:
    from tidegate.pipeline.stale import find_stale

    if not LOCK.exists():
        return Part("none has run yet: make run, or tidegate run, does all", {"stale": None})
    stale = find_stale().reasons
    if not stale:
        return Part("all are up to date", {"stale": []})
    more = f" and {len(stale) - SHOWN_STAGES} more" if len(stale) > SHOWN_STAGES else ""
    return Part(
        f"stale: {', '.join(stale[:SHOWN_STAGES])}{more}: tidegate run brings them up to date", {"stale": stale}
    )


def _registered_name() -> str:
    try:
        return str(_yaml(PARAMS)["register"]["name"])
    except (KeyError, TypeError):
        raise DataError(f"{PARAMS} has no register.name: give the registered model a name") from None


def _champion() -> Part:
    name = _registered_name()
    model = _registered_model(name)
    if model is None or CHAMPION not in model.aliases:
        return Part(f"{name} has none yet", {"model": name, "version": None})
    number = model.aliases[CHAMPION]
    version = model.versions.get(number)
    candidate = version.tags.get(read_only.CANDIDATE, "?") if version else "?"
    says, figures = f"{name} version {number} ({candidate})", {"model": name, "version": number, "candidate": candidate}
    entry = _entry_of(model, number)
    if entry is None:  # moved by other means than Tidegate's: the next forecast enters it
        return Part(says, figures)
    since = datetime.fromisoformat(entry.moment)
    says += f" since {_minute(since)} UTC: {entry.because}"
    return Part(says, {**figures, "since": since, "because": entry.because})


def _registered_model(name: str) -> read_only.RegisteredModel | None:
    address = os.environ.get("MLFLOW_REGISTRY_URI") or store.REMOTE
    if address and address.startswith(("http://", "https://")):
        return rest.find_model(address, name, CHAMPION)
    if not address and not store.DATABASE.exists():
        return None
    try:
        return read_only.find_model(name)
    except read_only.Unreadable as error:
        where = without_secrets(address) if address else store.DATABASE
        raise ServiceError(f"{where} is for MLflow to read ({error}): tidegate champion asks it") from None


def _entry_of(model: read_only.RegisteredModel, number: str) -> Entry | None:
    entries = [entry for entry in read_entries(model.tags).values() if entry is not None and entry.done]
    last = last_of(entries, CHAMPION)
    return last if last and last.version == number else None


def _forecasts() -> Part:
    from tidegate.verification.newest import newest_forecasts, recent_scores

    newest = newest_forecasts(_registered_name())
    if newest is None:
        return Part("there are none yet: tidegate forecast issues them")
    says, figures = f"from {_minute(newest.origin)} UTC, by {newest.version}", {"newest": newest}
    scores = recent_scores(newest.version)
    if scores is None:
        return Part(f"{says}; none of its forecasts has been verified yet", figures)
    did = [f"{scores.verified:,} values up to {scores.until:%Y-%m-%d} verified"]
    did += [f"skill {scores.skill:.1%}"] if scores.skill is not None else []
    did += [f"intervals hold {scores.coverage:.1%}"] if scores.coverage is not None else []
    return Part(f"{says}; {', '.join(did)}", {**figures, "verified": scores})


def _server(variable: str, state: Any, name: str) -> Part:
    """Say whether the server that a variable names, or else the workspace's own, answers."""
    address = os.environ.get(variable) or (read_json(state)["url"] if state.exists() else "")
    if not address:
        return Part("not running here: tidegate up starts it", {"address": None, "answers": False})
    shown = without_secrets(address)
    if not address.startswith(("http://", "https://")):
        return Part(f"none is needed: {variable} names the store {shown}", {"address": shown, "answers": None})
    up = _answers(f"{address.rstrip('/')}/health")
    says = f"answers at {shown}" if up else f"does not answer at {shown}"
    return Part(says, {"address": shown, "answers": up})


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # it wants to know who asks: it is up
    except (OSError, ValueError):
        return False


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
