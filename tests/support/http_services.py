"""A service on loopback that answers as each test scripts it."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Service:
    """Answers each request as `reply` says: an object, or (status, headers, body); keeps what it was asked."""

    def __init__(self, reply: Callable[["Service", dict[str, str]], Any]) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.leave = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.asked.append(self.path)
                service.headers.append(dict(self.headers))
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                answer = reply(service, query)
                status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = headers.get("Connection") == "close"

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop answering, and let go of who waits for an answer."""
        self.leave.set()
        self.server.shutdown()
        self.server.server_close()
