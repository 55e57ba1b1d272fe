"""A registered model as MLflow's server tells it, without MLflow, which takes 2 to 3 seconds to be imported."""

import base64
import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

from tidegate.errors import ServiceError, without_secrets
from tidegate.tracking.read_only import RegisteredModel, Version

TIMEOUT_SECONDS = 5.0


def find_model(address: str, name: str, alias: str) -> RegisteredModel | None:
    """Ask for a registered model and the version that bears an alias; None where there is no such model.

    Raises:
        ServiceError: the server does not answer, or not so.
    """
    answer = _get(address, "registered-models/get", name=name)
    if answer is None:
        return None
    model = answer["registered_model"]
    aliases = {row["alias"]: row["version"] for row in model.get("aliases", [])}
    versions = {}
    if alias in aliases and (found := _get(address, "model-versions/get", name=name, version=aliases[alias])):
        versions[aliases[alias]] = Version(name, aliases[alias], _tags(found["model_version"]))
    return RegisteredModel(_tags(model), aliases, versions)


def _tags(answer: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in answer.get("tags", [])}


def _get(address: str, what: str, **query: str) -> Any:
    """Ask MLflow's REST interface; None where there is nothing of that name."""
    url = f"{address.rstrip('/')}/api/2.0/mlflow/{what}?{urlencode(query)}"
    try:
        request = urllib.request.Request(url, headers=_credentials())  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404 and b"RESOURCE_DOES_NOT_EXIST" in error.read():
            return None
        reason: object = f"status {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
    raise ServiceError(without_secrets(f"MLflow's server at {address} does not answer as it should ({reason})."))


def _credentials() -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}", "") for part in ("USERNAME", "PASSWORD"))
    if not user:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
