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

HERE = Path(__file__).parent / "dynalite"
PROGRAM = HERE / "node_modules" / "dynalite" / "cli.js"


def install() -> None:
    """Raises RuntimeError with npm's own words when the registry cannot be reached."""
    if PROGRAM.exists():
        return
    command = [tools.program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"npm ci could not install dynalite: {done.stderr[-500:]}")


@contextmanager
def running_dynalite() -> Iterator[str]:
    """Its URL. Tables are there at once and kept in memory. Skips the test where npm's registry cannot be reached."""
    try:
        install()
    except RuntimeError as error:
        pytest.skip(str(error))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
