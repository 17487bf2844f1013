"""An HTTP proxy on loopback between a client and an S3 server, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from stack import free_port

_ANSWER = "HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Fault:
    """What the proxy does to requests.

    Attributes:
        methods: those it is done to; all when empty.
        after: so many requests pass first.
        times: how often it is done; 0 for ever.
        status: answer with this status instead of asking the server.
        delay: hold the request back, seconds.
        truncate: cut the answer off after so many bytes of it.
        refuse: close the connection at once.
    """

    methods: tuple[str, ...] = ()
    after: int = 0
    times: int = 0
    status: int = 0
    delay: float = 0.0
    truncate: int = 0
    refuse: bool = False


class Proxy:
    """Forwards to `target` (a port on loopback); `fault` may be changed at any time."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.fault: Fault | None = None
        #: Requests since the last fault was set, and those that something was done to.
        self.requests = self.hit = 0
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        if not started.wait(10):
            raise TimeoutError("the proxy did not start")

    @contextlib.contextmanager
    def doing(self, fault: Fault) -> Iterator[Proxy]:
        """Misbehave for the length of a ``with`` block."""
        self.requests = self.hit = 0
        self.fault = fault
        try:
            yield self
        finally:
            self.fault = None

    async def _serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        started.set()
        await server.serve_forever()

    def _fault_for(self, head: bytes) -> Fault | None:
        """The fault, when it is this request's turn."""
        self.requests += 1
        fault = self.fault
        if fault is None or (fault.methods and head.split(b" ", 1)[0].decode() not in fault.methods):
            return None
        if self.requests <= fault.after or (fault.times and self.hit >= fault.times):
            return None
        self.hit += 1
        return fault

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; every answer says that the connection closes."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            fault = self._fault_for(head) or Fault()
            if not fault.refuse:
                await asyncio.sleep(fault.delay)
                body = await self._body(reader, writer, head)
                if fault.status:
                    writer.write(_ANSWER.format(status=fault.status).encode())
                else:
                    await self._forward(head + body, writer, fault.truncate)
            await writer.drain()
        writer.close()

    async def _body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> bytes:
        fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        if headers.get(b"expect", b"").lower() == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
        if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
            return await reader.readexactly(int(headers.get(b"content-length", b"0")))
        body, size = b"", 1
        while size:
            line = await reader.readline()
            size = int(line.split(b";")[0], 16)
            body += line + (await reader.readexactly(size + 2) if size else b"")
        while (line := await reader.readline()).strip():  # trailers
            body += line
        return body + b"\r\n"

    async def _forward(self, request: bytes, writer: asyncio.StreamWriter, truncate: int) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            head, _, body = request.partition(b"\r\n\r\n")
            ours = (b"connection:", b"expect:")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(ours)]
            their_writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            await their_writer.drain()
            answer = await their_reader.read()
        finally:
            their_writer.close()
        if truncate and len(answer) > answer.find(b"\r\n\r\n") + 4 + truncate:
            answer = answer[: answer.find(b"\r\n\r\n") + 4 + truncate]
        writer.write(answer)
