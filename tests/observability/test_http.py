"""The metrics door over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from elastickv.observability.health import HEALTHY, Health
from elastickv.observability.http import Limits, MetricsServer
from elastickv.observability.metrics import Metrics

Ask = Callable[[bytes], Awaitable[bytes]]
Open = Callable[..., Awaitable[int]]

NOT_READY = Health(False, ("no leader is known",))


@pytest.fixture
async def serve() -> AsyncIterator[Open]:
    servers: list[MetricsServer] = []

    async def start(*, ready: Health = HEALTHY, token: str = "", limits: Limits | None = None) -> int:
        limits = limits or Limits()
        server = MetricsServer(Metrics("n1", "a:1"), lambda: HEALTHY, lambda: ready, token=token, limits=limits)
        servers.append(server)
        return await server.start("127.0.0.1", 0)

    yield start
    for server in servers:
        await server.close()


async def ask(port: int, *requests: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests:
            writer.write(request)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


def get(path: str, *headers: str, method: str = "GET", close: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, *(["Connection: close"] if close else [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def body_of(reply: bytes) -> bytes:
    return reply.partition(b"\r\n\r\n")[2]


async def test_metrics(serve: Open) -> None:
    reply = await ask(await serve(), get("/metrics"))
    assert status_of(reply) == 200
    assert b"content-type: text/plain" in reply.lower()
    assert b"elastickv_build_info{" in reply


async def test_metrics_in_the_format_that_was_asked_for(serve: Open) -> None:
    reply = await ask(await serve(), get("/metrics?x=y", "Accept: application/openmetrics-text;version=1.0.0"))
    assert b"content-type: application/openmetrics-text" in reply.lower()
    assert reply.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        (["Authorization: Bearer wrong"], 401),
        (["Authorization: Basic s3cret"], 401),
        (["Authorization: Bearer s3cret2"], 401),
        (["Authorization: Bearer s3cret"], 200),
        (["Authorization: bearer s3cret"], 200),
        (["Authorization: Bearer s3cret", "Authorization: Bearer x"], 401),
        (["Authorization: Bearer \u00ff"], 401),
    ],
)
async def test_a_token(serve: Open, headers: list[str], status: int) -> None:
    reply = await ask(await serve(token="s3cret"), get("/metrics", *headers))
    assert status_of(reply) == status
    assert (b"www-authenticate: bearer" in reply.lower()) is (status == 401)


async def test_health_needs_no_token(serve: Open) -> None:
    port = await serve(token="s3cret", ready=NOT_READY)
    live, ready = await ask(port, get("/livez")), await ask(port, get("/readyz"))
    assert (status_of(live), json.loads(body_of(live))) == (200, {"ok": True, "reasons": []})
    assert status_of(ready) == 503
    assert json.loads(body_of(ready)) == {"ok": False, "reasons": ["no leader is known"]}


async def test_head_has_the_length_and_no_body(serve: Open) -> None:
    reply = await ask(await serve(), get("/livez", method="HEAD"))
    assert status_of(reply) == 200
    assert b"content-length: 28" in reply.lower()
    assert body_of(reply) == b""


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/"), 404),
        (get("/metrics/"), 404),
        (get("http://x/metrics"), 404),
        (get("/metrics", method="POST"), 405),
        (get("/readyz", "Content-Length: 0", method="DELETE"), 405),
        (get("/metrics", "Content-Length: 5", method="POST", close=False) + b"hello", 413),
        (get("/metrics", "Transfer-Encoding: chunked", close=False) + b"5\r\nhello\r\n0\r\n\r\n", 413),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
async def test_what_is_refused(serve: Open, request_bytes: bytes, status: int) -> None:
    assert status_of(await ask(await serve(), request_bytes)) == status


async def test_405_says_what_is_allowed(serve: Open) -> None:
    assert b"allow: get, head" in (await ask(await serve(), get("/metrics", method="PUT"))).lower()


async def test_http_1_0(serve: Open) -> None:
    assert status_of(await ask(await serve(), b"GET /livez HTTP/1.0\r\n\r\n")) == 200


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
async def test_one_connection_many_requests(serve: Open, pieces: str) -> None:
    stream = get("/livez", close=False) * 2 + get("/livez", "Content-Length: 0", close=False) + get("/readyz")
    parts = [stream] if pieces == "whole" else [stream[i : i + 1] for i in range(len(stream))]
    assert (await ask(await serve(), *parts)).count(b"HTTP/1.1 200") == 4


async def test_a_slow_request_is_cut_off(serve: Open) -> None:
    port = await serve(limits=Limits(request_seconds=0.1))
    assert await ask(port, b"") == b""
    assert await ask(port, b"GET /livez HTT") == b""


async def test_an_idle_connection_is_closed(serve: Open) -> None:
    reply = await ask(await serve(limits=Limits(idle_seconds=0.1)), get("/livez", close=False))
    assert status_of(reply) == 200


async def test_more_connections_than_allowed(serve: Open) -> None:
    port = await serve(limits=Limits(connections=1))
    _, first = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.05)
    assert await ask(port) == b""
    first.close()
    await first.wait_closed()
    await asyncio.sleep(0.05)
    assert status_of(await ask(port, get("/livez"))) == 200


async def test_close_cuts_what_is_connected() -> None:
    server = MetricsServer(Metrics("n1", "a:1"), lambda: HEALTHY, lambda: HEALTHY)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.05)
    await server.close()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken(serve: Open) -> None:
    port = await serve()
    other = MetricsServer(Metrics("n1", "a:1"), lambda: HEALTHY, lambda: HEALTHY)
    with pytest.raises(OSError, match="address already in use"):
        await other.start("127.0.0.1", port)
    await other.close()


async def test_a_defect_is_a_500_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Health:
        raise RuntimeError("broken")

    server = MetricsServer(Metrics("n1", "a:1"), broken, broken)
    reply = await ask(await server.start("127.0.0.1", 0), get("/livez"))
    await server.close()
    assert status_of(reply) == 500
    assert b"broken" not in reply
    assert "a request to the metrics door failed" in caplog.text
