"""The socket of the service, and the server until it is told to end."""

import errno
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from logging.config import dictConfig

import uvicorn
from fastapi import FastAPI

from tidegate.errors import UserError
from tidegate.serving.access import TOKEN

GRACE_SECONDS = 120  # for requests in flight, once the server is told to end
_LINES = {"handlers": ["log"], "level": "INFO", "propagate": False}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"log": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"uvicorn": _LINES, "tidegate": _LINES},
}


def listening_socket(host: str, port: int, token: str | None) -> socket.socket:
    """Bind a socket to a host's address; port 0 is any free one.

    Raises:
        UserError: the address is not loopback and there is no token, the port is taken, or the host has no address
            of this machine.
    """
    not_here = UserError(f"{host} is no address of this machine: give another with --host.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise not_here from None
    if not token and not ipaddress.ip_address(address[0]).is_loopback:
        raise UserError(
            f"Whoever reaches {host} could ask for forecasts: set {TOKEN} to a secret, or leave --host at loopback."
        )
    # asyncio switches Nagle's delay off for a socket of this protocol alone: otherwise each answer takes 40 ms more.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise not_here from None
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise UserError(
            f"Port {port} of {host} {reason}: stop what listens there, or choose another with --port."
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Give the address of a socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def log_to_error_stream() -> None:
    """Write what the service and its server log to the error stream, a line each."""
    dictConfig(LOGGING)


class Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, app: FastAPI, on_ready: Callable[[], None]) -> None:
        """Configure it, without a line in the log for each request."""
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        await super().startup(sockets)
        self._on_ready()


def run_server(app: FastAPI, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, and then until the requests in flight are answered."""
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has ended
        Server(app, on_ready).run([listener])
