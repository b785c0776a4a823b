"""Dynalite, a second implementation of DynamoDB, from npm as dynalite/package-lock.json says."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit import tools
from tests.kit.ports import free_port

HERE = Path(__file__).parent / "dynalite"
PROGRAM = HERE / "node_modules" / "dynalite" / "cli.js"


@contextmanager
def running_dynalite() -> Iterator[str]:
    """Its URL. Tables are there at once and kept in memory. Skips the test where npm's registry cannot be reached."""
    try:
        tools.npm_ci(HERE)
    except RuntimeError as error:
        pytest.skip(str(error))
    port = free_port()
    command = [tools.node(), str(PROGRAM), "--host", "127.0.0.1", "--createTableMs", "0", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(10)
