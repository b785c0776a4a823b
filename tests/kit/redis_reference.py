"""Debian's redis-server on a free loopback port, for tests that compare answers.

with running_redis_server() as reference:
    client = reference.client()
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from tests.kit.ports import free_port

AVAILABLE = shutil.which("redis-server") is not None


@dataclass(frozen=True, slots=True)
class RedisReference:
    host: str
    port: int

    def client(self, *, db: int = 0, protocol: int = 2) -> redis.Redis:
        """A client that returns replies as they are, without redis-py's conversions per command."""
        client = redis.Redis(self.host, self.port, db=db, protocol=protocol)
        client.response_callbacks.clear()
        return client

    def raw(self, data: bytes, *, idle_seconds: float = 0.2) -> bytes:
        """Send bytes, and return all that comes back until nothing came for a while or the server closed."""
        return exchange(self.host, self.port, data, idle_seconds=idle_seconds)


def exchange(host: str, port: int, data: bytes, *, idle_seconds: float = 0.2) -> bytes:
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(data)
        connection.settimeout(idle_seconds)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return received


@contextmanager
def running_redis_server(*options: str) -> Iterator[RedisReference]:
    """A server without persistence; `options` as on redis-server's command line ("--requirepass", "x")."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [
                *("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"),
                *("--dir", directory, "--enable-debug-command", "yes", *options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_answers(port, process)
            yield RedisReference("127.0.0.1", port)
        finally:
            process.kill()
            process.wait()


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64):
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("redis-server did not start")
