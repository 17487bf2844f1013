"""Servers that keep what they are sent: HTTP, UDP and SMTP, each on a free port of this machine."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """What a server got so far: ``(path, body)`` of HTTP requests, datagrams, or messages."""

    port: int
    items: list[Any] = field(default_factory=list)

    def wait(self, enough: Callable[[list[Any]], Any], seconds: float = 60) -> Any:
        """What `enough` makes of the items, once that is true."""
        deadline = time.monotonic() + seconds
        while not (found := enough(list(self.items))):
            assert time.monotonic() < deadline, f"not received: {self.items[-5:]}"
            time.sleep(0.1)
        return found

    def bodies(self) -> list[Any]:
        """Of HTTP requests with JSON."""
        return [json.loads(body) for _, body in self.items]


@contextmanager
def _serving(server: Any, received: Received) -> Iterator[Received]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def http_receiver(status: int = 200) -> Iterator[Received]:
    """Answers each POST with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.items.append((self.path, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Received(server.server_address[1])
    with _serving(server, received) as held:
        yield held


@contextmanager
def udp_receiver() -> Iterator[Received]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received.items.append(self.request[0].decode())

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
    received = Received(server.server_address[1])
    with _serving(server, received) as held:
        yield held


@contextmanager
def smtp_receiver() -> Iterator[Received]:
    """Keeps the messages of a server without TLS and login."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say(220, "ready")
            for line in self.rfile:
                verb = line[:4].upper()
                if verb == b"DATA":
                    self._say(354, "go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    received.items.append(b"".join(lines).decode())
                self._say(221 if verb == b"QUIT" else 250, "ok")
                if verb == b"QUIT":
                    return

        def _say(self, code: int, text: str) -> None:
            self.wfile.write(f"{code} {text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    received = Received(server.server_address[1])
    with _serving(server, received) as held:
        yield held
