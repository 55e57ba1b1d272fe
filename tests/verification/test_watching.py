"""What a change leads to: one retraining a cause, a pause between two, and a message that is sent until it is taken."""

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from tidegate.errors import ServiceError, UserError
from tidegate.verification import notify
from tidegate.verification.watch import Change
from tidegate.verification.watching import Watched, cause_for_retraining, remember_asked, remember_told, untold
from tidegate.workspace.settings import Settings, Watch, load_settings

NOW = pd.Timestamp("2025-06-01T12:00Z")
DAY = pd.Timedelta(days=1)
SLOW = Change("skill", "S04", "2025-05-20", "2025-05-30", "its loss is 1.20 times the naive forecast's")
NARROW = Change("coverage", "S02", "2025-05-22", "2025-05-31", "its 90% intervals held 70.0%")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default's settings, in an empty workspace."""
    loaded = load_settings(Path(__file__).parent.parent.parent / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return loaded


def watched(*changes: Change, version: str = "3") -> Watched:
    return Watched(version, "2025-05-31", changes)


def test_each_cause_asks_for_one_retraining(settings: Settings) -> None:
    cause = cause_for_retraining(settings, watched(SLOW), NOW)
    assert cause is not None
    assert cause.because == "version 3, S04, since 2025-05-20: its loss is 1.20 times the naive forecast's"
    assert cause_for_retraining(settings, watched(SLOW), NOW) == cause, "until it is remembered"
    remember_asked(cause, NOW)
    for later in (NOW, NOW + 30 * DAY):
        assert cause_for_retraining(settings, watched(SLOW), later) is None
    assert cause_for_retraining(settings, watched(SLOW, version="4"), NOW + 30 * DAY) is not None


def test_another_cause_waits_for_the_cooldown(settings: Settings) -> None:
    first = cause_for_retraining(settings, watched(SLOW), NOW)
    assert first is not None
    remember_asked(first, NOW)
    both = watched(SLOW, NARROW)
    assert cause_for_retraining(settings, both, NOW + 6.9 * DAY) is None
    second = cause_for_retraining(settings, both, NOW + 7 * DAY)
    assert second is not None and second.keys == ("version 3, coverage, S02",)


def test_a_change_that_the_policy_does_not_name_asks_for_nothing(settings: Settings) -> None:
    quiet = settings.model_copy(update={"watch": Watch(retrain_on=("coverage",))})
    assert cause_for_retraining(quiet, watched(SLOW), NOW) is None
    cause = cause_for_retraining(quiet, watched(SLOW, NARROW), NOW)
    assert cause is not None and cause.keys == ("version 3, coverage, S02",)
    assert cause_for_retraining(settings.model_copy(update={"watch": Watch(retrain_on=())}), watched(SLOW), NOW) is None


def test_somebody_is_told_of_each_change_once(settings: Settings) -> None:
    assert untold(watched(SLOW, NARROW)) == [SLOW, NARROW]
    remember_told(watched(SLOW), [SLOW], NOW)
    assert untold(watched(SLOW, NARROW)) == [NARROW]


def test_the_page_says_where_since_when_and_how_sure() -> None:
    page = watched(SLOW, NARROW).markdown
    assert "| S04 | skill | 2025-05-20 | 2025-05-30 |" in page
    assert "Version 3 does as it did before, up to 2025-05-31." in watched().markdown


class Hook(BaseHTTPRequestHandler):
    """A webhook that takes messages, or answers with an error."""

    status = 200
    taken: list[bytes] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.status == 200:
            self.taken.append(body)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hook]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TIDEGATE_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/services/a-secret-token")
    Hook.status, Hook.taken = 200, []
    yield Hook
    server.shutdown()
    server.server_close()


class Mail(socketserver.StreamRequestHandler):
    """A mail server: as much of SMTP as a message needs; or one that takes none."""

    refuses = False
    taken: list[str] = []  # noqa: RUF012

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "DATA":
                self.say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.taken.append(text.decode())
            if verb == "MAIL" and self.refuses:
                self.say("451 not now")
                continue
            self.say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mail]]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"smtp://127.0.0.1:{server.server_address[1]}?from=gate@example.org&to=a@example.org&to=b@example.org"
    monkeypatch.setenv("TIDEGATE_SMTP_URL", address)
    Mail.refuses, Mail.taken = False, []
    yield Mail
    server.shutdown()
    server.server_close()


def test_a_message_goes_wherever_the_environment_says(hook: type[Hook], mail: type[Mail]) -> None:
    assert notify.tell("a change", "at S04", [SLOW.as_json()]) == ["TIDEGATE_WEBHOOK_URL", "TIDEGATE_SMTP_URL"]
    assert b'"station": "S04"' in hook.taken[0]
    assert "Subject: a change" in mail.taken[0] and "a@example.org, b@example.org" in mail.taken[0]


def test_without_an_address_nobody_is_told() -> None:
    assert notify.tell("a change", "at S04", []) == []


def test_what_is_not_taken_is_said_without_the_secret_and_the_others_have_it(
    hook: type[Hook], mail: type[Mail]
) -> None:
    hook.status = 500
    with pytest.raises(ServiceError, match="not taken by TIDEGATE_WEBHOOK_URL") as refusal:
        notify.tell("a change", "at S04", [])
    assert "a-secret-token" not in str(refusal.value) and len(mail.taken) == 1
    mail.refuses, hook.status = True, 200
    with pytest.raises(ServiceError, match="not taken by TIDEGATE_SMTP_URL"):
        notify.tell("a change", "at S04", [])
    assert len(hook.taken) == 1


def test_a_server_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_WEBHOOK_URL", "http://127.0.0.1:9/a-secret-token")
    with pytest.raises(ServiceError, match="not taken by TIDEGATE_WEBHOOK_URL") as refusal:
        notify.tell("a change", "at S04", [])
    assert "a-secret-token" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "address"), [("TIDEGATE_WEBHOOK_URL", "file:///etc/passwd"), ("TIDEGATE_SMTP_URL", "smtp://host")]
)
def test_an_address_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(UserError, match=f"{name} is no address"):
        notify.tell("a change", "at S04", [])
