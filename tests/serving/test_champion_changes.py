"""The service follows the champion: no request fails, and what cannot be loaded leaves the loaded version in place."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from servers import until
from serving import CSV, Answer, Service, as_frame, as_json, forecaster_of, recent_rows, serving

from tidegate.tracking import registry
from tidegate.tracking.store import open_client

pytestmark = pytest.mark.slow

CLIENTS = 8


@pytest.fixture
def service(own_versions: Path) -> Iterator[Service]:
    with serving(own_versions, "--poll-seconds", "0.2") as running:
        yield running


def files_of(workspace: Path, version: str) -> Path:
    with chdir(workspace):
        return registry.version_files(registry.get_version("tidegate", version))[0]


def move_alias(workspace: Path, version: str | None) -> None:
    """Move the champion's alias past Tidegate's own checks, as MLflow's page can."""
    with chdir(workspace):
        if version is None:
            open_client().delete_registered_model_alias("tidegate", registry.CHAMPION)
        else:
            open_client().set_registered_model_alias("tidegate", registry.CHAMPION, version)


def test_a_new_champion_is_taken_while_clients_ask_and_no_request_fails(service: Service, own_versions: Path) -> None:
    rows = recent_rows(own_versions)
    body, answers, ended = json.dumps(as_json(rows)), list[Answer](), threading.Event()

    def keep_asking() -> None:
        while not ended.is_set():
            answers.append(service.ask(body=body))

    clients = [threading.Thread(target=keep_asking) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        until(lambda: len(answers) > 2 * CLIENTS)
        invoke(own_versions, "promote", "2", "--because", "a test")
        until(lambda: answers[-1].headers.get("tidegate-version") == "2")
        first = len(answers) + CLIENTS  # each client may still wait for an answer that was made before
        until(lambda: len(answers) > first + 2 * CLIENTS)
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["tidegate-version"] for answer in answers[first:]} == {"2"}
    expected = {version: forecaster_of(own_versions, version).forecast(rows) for version in ("1", "2")}
    assert (expected["1"]["forecast"] != expected["2"]["forecast"]).any()
    for answer in (answers[0], answers[-1]):
        version = answer.headers["tidegate-version"]
        pd.testing.assert_frame_equal(as_frame(answer.content), expected[version], check_dtype=False, rtol=1e-6)


def test_without_a_champion_or_with_a_damaged_one_the_service_says_so_and_recovers(
    service: Service, own_versions: Path
) -> None:
    body = recent_rows(own_versions).to_csv(index=False).encode()
    model, elsewhere = files_of(own_versions, "2"), own_versions / "elsewhere"
    shutil.move(model, elsewhere)
    move_alias(own_versions, "2")
    until(lambda: service.ask("/health").content["status"] == "outdated")
    health = service.ask("/health")
    assert (health.status, health.content["version"]) == (200, "1")
    assert health.message == "Version 2 cannot be served: the files of tidegate version 2 are gone from the store."
    assert service.metric("tidegate_champion_problem") == 1
    assert service.ask(body=body, kind=CSV).headers["tidegate-version"] == "1"
    (log,) = (own_versions / "logs").glob("*-serve-*.log")
    assert log.read_text().count("the files of tidegate version 2 are gone") == 1

    move_alias(own_versions, None)
    until(lambda: service.ask("/health").status == 503)
    refusal = service.ask(body=body, kind=CSV)
    assert refusal.status == 503 and int(refusal.headers["retry-after"]) >= 1
    assert "tidegate has no champion: tidegate promote VERSION" in refusal.message
    assert service.ask("/health").message == refusal.message

    shutil.move(elsewhere, model)
    move_alias(own_versions, "2")
    until(lambda: service.ask("/health").status == 200)
    assert service.ask(body=body, kind=CSV).headers["tidegate-version"] == "2"
