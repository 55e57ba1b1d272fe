"""What a service takes on: a bounded queue, who knows the token, an address of its own, and an end without a loss."""

import asyncio
import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from commands import refused
from servers import until
from serving import CSV, Answer, Service, as_json, recent_rows, serving

from tidegate.forecasting.forecaster import Forecaster
from tidegate.serving.app import Limits, make_app
from tidegate.serving.champion import Champion, State
from tidegate.serving.server import Server, listening_socket

pytestmark = pytest.mark.slow

TOKEN = "a secret of 26 characters!"
WAITING = 2


class Held(Forecaster):
    """A forecaster that begins only when it is let go."""

    def __init__(self, within: Forecaster) -> None:
        self.__dict__.update(within.__dict__)
        self.begun, self.let_go = threading.Semaphore(0), threading.Event()

    def forecast(self, recent: pd.DataFrame) -> pd.DataFrame:
        self.begun.release()
        assert self.let_go.wait(60)
        return super().forecast(recent)


@contextmanager
def held_service(workspace: Path) -> Iterator[tuple[Service, Held]]:
    """A service in this process, with one thread and few places, whose forecaster is held."""
    champion = Champion("tidegate", 3600)
    with chdir(workspace):
        champion.refresh()
    assert champion.state.loaded is not None
    held = Held(champion.state.loaded.forecaster)
    champion.state = State(replace(champion.state.loaded, forecaster=held))
    listener = listening_socket("127.0.0.1", 0, None)
    ready = threading.Event()
    server = Server(make_app(champion, Limits(threads=1, waiting=WAITING)), ready.set)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert ready.wait(30)
        yield Service(listener.getsockname()[1]), held
    finally:
        held.let_go.set()
        server.should_exit = True
        thread.join(30)


def test_beyond_the_queue_requests_are_refused_at_once_and_health_answers(two_versions: Path) -> None:
    body, answers = json.dumps(as_json(recent_rows(two_versions))), list[Answer]()
    with held_service(two_versions) as (service, held):
        clients = [threading.Thread(target=lambda: answers.append(service.ask(body=body))) for _ in range(1 + WAITING)]
        for client in clients:
            client.start()
        assert held.begun.acquire(timeout=30)
        until(lambda: service.metric("tidegate_requests_waiting") == WAITING)
        refusal = service.ask(body=body)
        assert (refusal.status, refusal.headers["retry-after"]) == (503, "1")
        assert refusal.message == "2 requests are waiting already: ask again later."
        assert service.ask("/health").status == 200 and answers == []
        held.let_go.set()
        for client in clients:
            client.join()
        assert [answer.status for answer in answers] == [200] * (1 + WAITING)
        assert service.ask(body=body).status == 200


def test_who_no_longer_waits_is_not_forecast_for(two_versions: Path) -> None:
    body = json.dumps(as_json(recent_rows(two_versions)))
    with held_service(two_versions) as (service, held):
        first = threading.Thread(target=lambda: service.ask(body=body))
        first.start()
        assert held.begun.acquire(timeout=30)
        gone = http.client.HTTPConnection("127.0.0.1", service.port)
        gone.request("POST", "/forecast", body, {"Content-Type": "application/json"})
        until(lambda: service.metric("tidegate_requests_waiting") == 1)
        gone.close()
        held.let_go.set()
        first.join()
        until(lambda: service.metric("tidegate_requests_waiting") == 0)
        assert service.ask(body=body).status == 200 and held.begun.acquire(timeout=30)
        assert not held.begun.acquire(blocking=False)


def test_with_a_token_only_health_answers_without_it_and_it_is_never_logged(own_versions: Path) -> None:
    body = recent_rows(own_versions).to_csv(index=False).encode()
    right = {"Authorization": f"Bearer {TOKEN}"}
    with serving(own_versions, TIDEGATE_SERVE_TOKEN=TOKEN) as service:
        assert service.ask("/health").status == 200
        assert service.ask(body=body, kind=CSV, **right).status == 200
        for wrong in (
            {},
            {"Authorization": TOKEN},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Bearer é"},
        ):
            refusal = service.ask(body=body, kind=CSV, **wrong)
            assert (refusal.status, refusal.headers["www-authenticate"]) == (401, "Bearer")
            assert "The bearer token is absent or wrong" in refusal.message and TOKEN not in refusal.message
        for path in ("/metrics", "/docs", "/openapi.json", "/other"):
            assert service.ask(path).status == 401
            assert service.ask(path, **right).status in (200, 404)
    assert all(TOKEN not in log.read_text() for log in (own_versions / "logs").iterdir())


@pytest.mark.parametrize(
    ("words", "env", "sentence"),
    [
        (["--host", "0.0.0.0"], {}, "set TIDEGATE_SERVE_TOKEN to a secret, or leave --host at loopback"),
        (["--host", "0.0.0.0"], {"TIDEGATE_SERVE_TOKEN": " "}, "set TIDEGATE_SERVE_TOKEN to a secret"),
        (["--host", "no.such.host.invalid"], {}, "no.such.host.invalid is no address of this machine"),
    ],
)
def test_an_address_beyond_this_machine_needs_a_token(
    workspace: Path, words: Sequence[str], env: dict[str, str], sentence: str
) -> None:
    assert sentence in refused(workspace, "serve", *words, **env)


def test_a_port_in_use_is_refused(workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = refused(workspace, "serve", "--port", str(port))
        assert f"Port {port} of 127.0.0.1 is taken: stop what listens there, or choose another with --port." in message


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_end_answers_the_requests_in_flight(
    two_versions: Path, number: signal.Signals
) -> None:
    body = recent_rows(two_versions).to_csv(index=False).encode()
    with serving(two_versions) as service:
        requests = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=60) for _ in range(3)]
        for request in requests:
            request.putrequest("POST", "/forecast")
            request.putheader("Content-Type", CSV)
            request.putheader("Content-Length", str(len(body)))
            request.endheaders(body[:100])
        until(lambda: service.metric("tidegate_requests_waiting") == 2)
        assert service.process is not None
        service.process.send_signal(number)
        until(lambda: not listens(service.port))
        for request in requests:
            request.send(body[100:])
        assert [request.getresponse().status for request in requests] == [200] * 3
        for request in requests:
            request.close()
        assert service.process.wait(30) == 0


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_no_part_of_an_answer_waits_for_an_acknowledgement_of_the_part_before() -> None:
    async def nodelay() -> int:
        found = asyncio.Future[int]()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listening_socket("127.0.0.1", 0, None)
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await found

    assert asyncio.run(nodelay()) == 1
