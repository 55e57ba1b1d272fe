"""The command `serve`."""

import os
from typing import Annotated

import typer

from tidegate.cli.app import app, guarded
from tidegate.pipeline import console


@app.command()
@guarded
def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; beyond loopback a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any free one.")] = 8000,
    poll_seconds: Annotated[float, typer.Option(min=0.1, help="How often to look for a new champion.")] = 10,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads that forecast.")] = 1,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more are refused with 503.")] = 64,
    body_mib: Annotated[float, typer.Option(min=0.01, help="Largest body of a request, in MiB.")] = 16,
) -> None:
    """Answer requests for forecasts over HTTP, until Ctrl-C. A new champion is followed.

    With TIDEGATE_SERVE_TOKEN in the environment each request must bear that token.

    \b
    Examples:
      tidegate serve
      curl --data-binary @recent.csv -H "Content-Type: text/csv" 127.0.0.1:8000/forecast
      TIDEGATE_SERVE_TOKEN=… tidegate serve --host 0.0.0.0 --port 8080
    """
    from tidegate.serving import access, server
    from tidegate.serving.app import Limits, make_app
    from tidegate.serving.champion import Champion
    from tidegate.workspace.settings import load_settings

    champion = Champion(load_settings().register_.name, poll_seconds)
    token = os.environ.get(access.TOKEN, "").strip() or None
    listener = server.listening_socket(host, port, token)
    server.log_to_error_stream()
    with champion.followed():

        def say_ready() -> None:
            loaded, problem = champion.state.loaded, champion.state.problem
            by = f"{loaded.name} version {loaded.version} ({loaded.candidate})" if loaded else problem
            console.say(f"Ready at {server.address_of(listener)}: {by}")

        server.run_server(make_app(champion, Limits(threads, waiting, body_mib), token), listener, say_ready)
