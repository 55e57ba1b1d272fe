"""What each address of the service answers."""

import asyncio
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from tidegate.errors import UserError
from tidegate.forecasting.request import read_request
from tidegate.serving import access, bodies, description
from tidegate.serving.champion import Champion, LoadedVersion, State
from tidegate.serving.refusals import Refused, retry_after
from tidegate.serving.work_queue import WorkQueue

BODY_SECONDS = 30  # in which a body must have arrived: it holds a place of the queue
VERSION_HEADER = "Tidegate-Version"


@dataclass(frozen=True)
class Limits:
    """What one service takes on."""

    threads: int = 1  # that forecast
    waiting: int = 64  # requests, at most
    body_mib: float = 16  # of one request, at most

    @property
    def body_bytes(self) -> int:
        """Give the largest body in bytes."""
        return int(self.body_mib * 2**20)


def make_app(champion: Champion, limits: Limits, token: str | None = None) -> FastAPI:
    """Make the application that forecasts with a champion; with a token it answers only who knows that."""
    app = FastAPI(title="Tidegate", summary=description.SUMMARY, docs_url=None, redoc_url=None)
    work = WorkQueue(limits.threads, limits.waiting)
    metrics = access.Metrics(champion, work)

    @app.post(access.FORECAST, openapi_extra=description.FORECAST_BODY, responses=description.FORECAST_ANSWERS)
    async def forecast(request: Request) -> Response:
        """Forecast each station of the rows from the newest step among them, as `Forecaster.forecast` does."""
        media_type = bodies.media_type_of(request.headers.get("content-type", ""))
        wanted = bodies.wanted_type(request.headers.get("accept", ""))
        with work.place():
            body = await _body(request, limits)
            answer = partial(_answer, champion, body, media_type, wanted)
            return await work.run(answer, lambda: _is_wanted(request)) or Response()

    @app.get(access.HEALTH, responses={503: {"description": "There is no champion to serve."}})
    async def health() -> JSONResponse:
        """Say which version is served, since when, and what is wrong, if anything is."""
        return JSONResponse(_health(state := champion.state), 200 if state.loaded else 503)

    @app.get(access.METRICS, response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def prometheus_metrics() -> Response:
        """Give the metrics in Prometheus' format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get(access.DOCS, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(description.page(app.openapi()))

    access.add_to(app, metrics, token)
    _add_refusals(app)
    return app


def _answer(champion: Champion, body: bytes, media_type: str, wanted: str) -> Response:
    """Forecast from a body with the version that is champion now; in a thread, for all of it is computation."""
    loaded = _loaded(champion)
    rows = read_request(bodies.read_rows(body, media_type), loaded.forecaster.spec.stations)
    forecasts = bodies.write_forecasts(loaded.forecaster.forecast(rows), wanted)
    return Response(forecasts, media_type=wanted, headers={VERSION_HEADER: loaded.version})


async def _is_wanted(request: Request) -> bool:
    return not await request.is_disconnected()


async def _body(request: Request, limits: Limits) -> bytes:
    """Read the body of a request.

    Raises:
        Refused: with status 413, it is too large; with 408, it has not arrived in time.
    """
    too_large = Refused(
        413, f"The body is larger than {limits.body_mib:g} MiB: send fewer rows; two lookbacks of each station suffice."
    )
    if int(request.headers.get("content-length", 0)) > limits.body_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise too_large
    except TimeoutError:
        raise Refused(408, f"The body has not arrived within {BODY_SECONDS} s: send it at once.") from None
    return bytes(body)


def _loaded(champion: Champion) -> LoadedVersion:
    """Give the version to forecast with.

    Raises:
        Refused: with status 503, there is none.
    """
    state = champion.state
    if state.loaded is None:
        raise Refused(503, state.problem, retry_after(champion.poll_seconds))
    return state.loaded


def _health(state: State) -> dict[str, str | None]:
    loaded, problem = state.loaded, state.problem or None
    if loaded is None:
        return {"status": "no champion", "message": problem}
    return {
        "status": "outdated" if problem else "ready",
        "model": loaded.name,
        "version": loaded.version,
        "candidate": loaded.candidate,
        "loaded": f"{loaded.loaded:%Y-%m-%dT%H:%M:%SZ}",
        "message": problem,
    }


def _add_refusals(app: FastAPI) -> None:
    """Answer what goes wrong with a status and a sentence."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"message": str(error)}, error.status, error.headers)

    @app.exception_handler(UserError)
    async def bad_request(_: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, 400)

    @app.exception_handler(StarletteHTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        sentence = f"{request.method} {request.url.path} is not served here: {access.DOCS} lists what is."
        return JSONResponse({"message": sentence}, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        sentence = f"A fault in tidegate serve ({type(error).__name__}): its log has more."
        return JSONResponse({"message": sentence}, 500)
