"""The copy for a Collector: it never blocks, never raises, and counts what it drops."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from guard.build import _otlp_copy
from guard.outside.admission import admitter
from guard.settings import Settings
from guard.trace.otlp import OtlpCopy
from guard.trace.spans import Recorder


def line(number: int) -> bytes:
    return b'{"resourceSpans":[{"n":%d}]}' % number


class Collector:
    """A Collector that answers as it is told and keeps what it got."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.calls: list[tuple[str, list[int]]] = []
        self.block = threading.Event()
        self.block.set()

    def post(self, url: str, body: bytes) -> int:
        self.block.wait()
        self.calls.append((url, [item["n"] for item in json.loads(body)["resourceSpans"]]))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise ConnectionError("collector is down")
        return status


def test_lines_arrive_in_one_request() -> None:
    """What is offered within the linger time is one OTLP request to /v1/traces."""
    collector = Collector()
    copy = OtlpCopy("http://collector:4318/", collector.post, linger_s=0.05)
    for n in range(5):
        copy.offer(line(n))
    copy.close()
    assert collector.calls == [("http://collector:4318/v1/traces", [0, 1, 2, 3, 4])]
    assert (copy.sent, copy.dropped) == (5, 0)


def test_what_lingers_is_sent_without_a_close() -> None:
    """A lone line does not wait for company for ever."""
    collector = Collector()
    copy = OtlpCopy("http://collector", collector.post, linger_s=0.01)
    copy.offer(line(1))
    while copy.sent == 0:
        time.sleep(0.005)
    copy.close()


def test_a_slow_collector_blocks_nobody_and_drops_are_counted() -> None:
    """C30: with the Collector hanging, offers return; beyond the bound they are dropped and counted."""
    collector = Collector()
    collector.block.clear()
    copy = OtlpCopy("http://collector", collector.post, queue_bytes=10 * len(line(1)), linger_s=0)
    for _ in range(1000):
        copy.offer(line(1))
    assert copy.dropped >= 980
    copy.close(timeout_s=0.05)
    assert copy.sent + copy.dropped >= 980
    collector.block.set()


@pytest.mark.parametrize(
    ("statuses", "sent"), [((503, 200), 1), ((0, 0, 200), 1), ((0, 0, 0), 0), ((400,), 0)]
)
def test_outages_are_tried_again_and_refusals_are_not(statuses: tuple[int, ...], sent: int) -> None:
    """C30: 429, 502, 503, 504 and broken connections three times; then, and after a 4xx, it is a dropped copy."""
    collector = Collector(*statuses)
    copy = OtlpCopy("http://collector", collector.post, linger_s=0, backoff_s=0.001)
    copy.offer(line(1))
    while copy.sent + copy.dropped == 0:
        time.sleep(0.005)
    assert (copy.sent, copy.dropped, len(collector.calls)) == (sent, 1 - sent, len(statuses))
    copy.close()


def test_a_shutdown_is_bounded_while_the_collector_is_down() -> None:
    """C30: closing interrupts the wait between attempts; nothing is taken afterwards."""
    collector = Collector(*[0] * 100)
    copy = OtlpCopy("http://collector", collector.post, linger_s=0, backoff_s=3600)
    copy.offer(line(1))
    while not collector.calls:
        time.sleep(0.005)
    copy.close()
    copy.offer(line(2))
    assert (copy.sent, copy.dropped) == (0, 2)


@pytest.fixture
def server() -> Iterator[tuple[str, Callable[[], bytes]]]:
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200 if self.path == "/v1/traces" else 307)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    httpd = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", lambda: b"".join(bodies)
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def leaving(url: str, *named: str) -> OtlpCopy:
    """The copy as guard makes it, where these hosts are named."""
    return _otlp_copy(Settings(otlp_endpoint=url), admitter(jurisdictions=None, declared={}, named=named))


def test_the_copy_leaves_through_the_gate(server: tuple[str, Callable[[], bytes]]) -> None:
    """A Collector that is named gets the very line, as the ledger holds it."""
    url, received = server
    written = Recorder().start("guard.screen", attributes={"guard.tenant": "acme"}).end()
    copy = leaving(url, url)
    copy.offer(written)
    copy.close()
    assert (copy.sent, copy.dropped) == (1, 0)
    assert received() == written


def test_a_collector_that_is_not_named_gets_nothing(server: tuple[str, Callable[[], bytes]]) -> None:
    """Residency pitfall 7: a copy's endpoint needs the same list."""
    url, received = server
    copy = leaving(url)
    copy.offer(Recorder().start("guard.screen").end())
    copy.close()
    assert (copy.sent, copy.dropped) == (0, 1)
    assert received() == b""


def test_a_collectors_redirect_is_not_followed(server: tuple[str, Callable[[], bytes]]) -> None:
    """C23: for copies too."""
    url, received = server
    written = Recorder().start("guard.screen").end()
    copy = leaving(url + "/moved", url)
    copy.offer(written)
    copy.close()
    assert (copy.sent, copy.dropped) == (0, 1)
    assert received() == written
