"""A DynamoDB door on a free loopback port over the fake store, on a loop in a thread of its own, so that blocking
clients (boto3, raw sockets) can talk to it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import boto3
import orjson
from botocore.config import Config

from elastickv.config import Address, DynamoSettings
from elastickv.dynamodb_api.forwarding import Carrier
from elastickv.dynamodb_api.server import DoorFacts, DynamoServer
from elastickv.kv.view import View
from tests.kit.fake_redis_store import FakeStore

T = TypeVar("T")


class DynamoDoor:
    """Everything but the constructor is for the test's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, store: FakeStore, server: DynamoServer) -> None:
        self.loop = loop
        self.store = store
        self.server = server

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def do(self, work: Callable[[], T]) -> T:
        """Call `work` on the door's loop."""

        async def on_loop() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(10)

    def run(self, body: Callable[[View], T]) -> T:
        """Run `body` as the store does, committed at once."""
        return asyncio.run_coroutine_threadsafe(self.store.execute(body), self.loop).result(10)

    def client(self, service: str = "dynamodb", region: str = "us-east-1", **options: Any) -> Any:
        return client(self.url, service, region, **options)

    def resource(self) -> Any:
        return boto3.resource("dynamodb", endpoint_url=self.url, region_name="us-east-1", **CREDENTIALS)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)

    def call(self, operation: str, request: Any, *, service: str = "DynamoDB_20120810") -> tuple[int, Any]:
        """Status and JSON of an operation, past the client-side checks of an SDK."""
        with self.connect() as connection:
            body = request if isinstance(request, bytes) else orjson.dumps(request)
            connection.sendall(post(body, target=f"{service}.{operation}", close=True))
            return parse(read_all(connection))


CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "secret"}


def client(url: str, service: str = "dynamodb", region: str = "us-east-1", **options: Any) -> Any:
    """A boto3 client that does not hide failures by repeating."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=20),
        **{**CREDENTIALS, **options},
    )


def post(body: bytes, *, target: str, headers: str = "", close: bool = False) -> bytes:
    lines = [
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n",
        f"X-Amz-Target: {target}\r\nContent-Length: {len(body)}\r\n{headers}",
        "Connection: close\r\n\r\n" if close else "\r\n",
    ]
    return "".join(lines).encode() + body


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def parse(response: bytes) -> tuple[int, Any]:
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body) if body else None


@contextmanager
def running_door(
    *,
    settings: DynamoSettings | None = None,
    store: FakeStore | None = None,
    dynamo_map: Mapping[str, str] = MappingProxyType({}),
    carrier: Carrier | None = None,
    request_timeout: float = 2.0,
) -> Iterator[DynamoDoor]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="DynamoDB door", daemon=True)
    thread.start()

    async def start() -> DynamoDoor:
        used = store or FakeStore()
        chosen = settings or DynamoSettings(address=Address("127.0.0.1", 0))
        server = DynamoServer(chosen, DoorFacts(dynamo_map, request_timeout), used, used.clock, carrier)
        await server.start()
        return DynamoDoor(loop, used, server)

    door = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield door
    finally:
        asyncio.run_coroutine_threadsafe(door.server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
