"""The metrics door: /metrics, /livez and /readyz over HTTP/1.1.

h11 keeps the protocol, asyncio the sockets, this module the three answers. It is a door for probes and scrapers, so it
is strict and small: no request bodies, few connections, and a deadline on every wait, because a probe that hangs holds
on to more than one that fails.

Health needs no token: probes carry none, and the reasons they get are those an operator reads in the logs. /metrics
does when one is set, compared in constant time.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

import h11

from elastickv.listening import addresses
from elastickv.observability.health import Health
from elastickv.observability.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    connections: int = 64
    header_bytes: int = 16 << 10
    request_seconds: float = 10.0
    """For a whole request to arrive, and for its answer to leave."""
    idle_seconds: float = 60.0
    """Between two requests of one connection; longer than Prometheus' usual interval."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def _plain(status: HTTPStatus, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, f"{status.value} {status.phrase}\n".encode(), headers=named)


class MetricsServer:
    """Listens from `start` to `close`. `live` and `ready` are asked at each request."""

    def __init__(
        self,
        metrics: Metrics,
        live: Callable[[], Health],
        ready: Callable[[], Health],
        *,
        token: str = "",
        limits: Limits = Limits(),
    ) -> None:
        self._metrics = metrics
        self._live = live
        self._ready = ready
        self._token = token.encode()
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Returns the port, which was chosen by the system when 0 was asked for. Raises OSError."""
        self._server = await asyncio.start_server(
            self._on_connection, addresses(host), port, limit=self._limits.header_bytes
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and cut what is connected; answers are too short to be waited for."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= self._limits.connections:
                await _Connection(reader, writer, self._limits, self._answer).serve()
        except (OSError, TimeoutError):
            pass  # the peer went away, or was too slow
        except asyncio.CancelledError:
            pass  # close(); the stream protocol would log a cancellation as a defect
        finally:
            self._connections.discard(task)
            writer.close()

    def _answer(self, request: h11.Request) -> Answer:
        path = request.target.partition(b"?")[0]
        if path not in (b"/metrics", b"/livez", b"/readyz"):
            return _plain(HTTPStatus.NOT_FOUND)
        if request.method not in (b"GET", b"HEAD"):
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, allow="GET, HEAD")
        if path == b"/livez":
            return _health(self._live())
        if path == b"/readyz":
            return _health(self._ready())
        if not self._authorized(request):
            return _plain(HTTPStatus.UNAUTHORIZED, www_authenticate='Bearer realm="elastickv"')
        body, content_type = self._metrics.expose(_header(request, b"accept").decode("latin-1"))
        return Answer(HTTPStatus.OK, body, content_type)

    def _authorized(self, request: h11.Request) -> bool:
        if not self._token:
            return True
        scheme, _, token = _header(request, b"authorization").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


def _header(request: h11.Request, name: bytes) -> bytes:
    return b", ".join(value for key, value in request.headers if key == name)


def _has_body(request: h11.Request) -> bool:
    return _header(request, b"content-length") not in (b"", b"0") or bool(_header(request, b"transfer-encoding"))


def _health(health: Health) -> Answer:
    status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
    body = {"ok": health.ok, "reasons": list(health.reasons)}
    return Answer(status, json.dumps(body).encode() + b"\n", "application/json", {"cache-control": "no-store"})


class _Connection:
    """One connection: requests in, answers out, until either side has had enough."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: Limits,
        answer: Callable[[h11.Request], Answer],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._answer = answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)

    async def serve(self) -> None:
        wait = self._limits.request_seconds
        while True:
            try:
                await self._read_some(wait)
                async with asyncio.timeout(self._limits.request_seconds):
                    request = await self._next_request()
                    if request is None:
                        return
                    await self._send(self._respond(request), head=request.method == b"HEAD")
            except h11.RemoteProtocolError as error:
                async with asyncio.timeout(self._limits.request_seconds):
                    await self._refuse(error)
                return
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            wait = self._limits.idle_seconds

    def _respond(self, request: h11.Request) -> Answer:
        if _has_body(request):
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, connection="close")
        try:
            return self._answer(request)
        except Exception:
            log.exception("a request to the metrics door failed", extra={"path": request.target.decode("latin-1")})
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _read_some(self, seconds: float) -> None:
        """Wait for the first bytes of a request, unless the last read brought some."""
        if self._http.trailing_data[0]:
            return
        async with asyncio.timeout(seconds):
            self._http.receive_data(await self._reader.read(4096))

    async def _next_request(self) -> h11.Request | None:
        """The next request with its (empty) body taken off; None at the end of the connection."""
        request: h11.Request | None = None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(4096))
            elif isinstance(event, h11.Request):
                request = event
                if _has_body(request):
                    return request  # answered without its body, and then the connection ends
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
                return request

    async def _send(self, answer: Answer, *, head: bool) -> None:
        headers = [
            ("date", formatdate(usegmt=True)),
            ("content-type", answer.content_type),
            ("content-length", str(len(answer.body))),
            *answer.headers.items(),
        ]
        response = h11.Response(status_code=answer.status, headers=headers, reason=answer.status.phrase.encode())
        out = self._http.send(response) or b""
        if not head:
            out += self._http.send(h11.Data(data=answer.body)) or b""
        out += self._http.send(h11.EndOfMessage()) or b""
        self._writer.write(out)
        await self._writer.drain()

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(_plain(HTTPStatus(error.error_status_hint), connection="close"), head=False)
