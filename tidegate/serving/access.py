"""Around every request: the bearer token, and what Prometheus is told."""

import hmac
import time

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidegate.serving.champion import Champion
from tidegate.serving.work_queue import WorkQueue

TOKEN = "TIDEGATE_SERVE_TOKEN"  # environment variable  # noqa: S105
FORECAST, HEALTH, METRICS, DOCS, OPENAPI = "/forecast", "/health", "/metrics", "/docs", "/openapi.json"
PATHS = (FORECAST, HEALTH, METRICS, DOCS, OPENAPI)
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)  # bounds of the histogram


class Metrics:
    """What Prometheus is told of one service."""

    def __init__(self, champion: Champion, work: WorkQueue) -> None:
        """Describe the metrics."""
        self._registry, self._champion = CollectorRegistry(), champion
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "tidegate_requests", "Requests that were answered.", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "tidegate_forecast_seconds",
            "From the arrival of a request to the end of its forecasts.",
            buckets=SECONDS,
            registry=self._registry,
        )
        waiting = Gauge("tidegate_requests_waiting", "Requests that wait for a thread.", registry=self._registry)
        waiting.set_function(lambda: work.waiting)
        problem = Gauge("tidegate_champion_problem", "1 if the champion cannot be served.", registry=self._registry)
        problem.set_function(lambda: bool(champion.state.problem))
        self._version = Gauge(
            "tidegate_version_info", "The version served.", ["model", "version", "candidate"], registry=self._registry
        )

    def text(self) -> bytes:
        """Write all metrics in Prometheus' format."""
        self._version.clear()
        if loaded := self._champion.state.loaded:
            self._version.labels(loaded.name, loaded.version, loaded.candidate).set(1)
        return generate_latest(self._registry)


class Counted:
    """An application whose requests are counted and timed."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            path = scope["path"] if scope["path"] in PATHS else "other"
            self.metrics.requests.labels(path, str(status)).inc()
            if path == FORECAST and status == 200:
                self.metrics.seconds.observe(time.perf_counter() - began)


class WithToken:
    """An application that answers only who knows the token; its health anybody may ask for."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Wrap an application."""
        self.app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with status 401."""
        if scope["type"] == "http" and scope["path"] != HEALTH:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                sentence = f"The bearer token is absent or wrong: send the header Authorization with that of {TOKEN}."
                refusal = JSONResponse({"message": sentence}, 401, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def add_to(app: FastAPI, metrics: Metrics, token: str | None) -> None:
    """Put the token, if there is one, and the counting around an application."""
    if token:
        app.add_middleware(WithToken, token=token)
    app.add_middleware(Counted, metrics=metrics)  # the outermost, so that refusals are counted too
