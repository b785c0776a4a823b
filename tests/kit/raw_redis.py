"""A client that hands back replies as the bytes they are, for comparing servers byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass


class RawRedis:
    """A blocking connection. Commands are sent in one piece, replies come back one by one, undecoded."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def many(self, commands: Sequence[Sequence[bytes]]) -> list[bytes]:
        self._socket.sendall(b"".join(map(request, commands)))
        return [self._reply() for _ in commands]

    def one(self, *argv: bytes) -> bytes:
        return self.many([argv])[0]

    def _reply(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed in the middle of a reply")
        mark = line[:1]
        if mark in b"$=!" and line[1:2] != b"-":
            return line + self._file.read(int(line[1:]) + 2)
        if mark in b"*~>%" and line[1:2] != b"-":
            items = int(line[1:]) * (2 if mark == b"%" else 1)
            return line + b"".join(self._reply() for _ in range(items))
        return line


def request(argv: Sequence[bytes]) -> bytes:
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in argv)


@dataclass(frozen=True, slots=True)
class ErrorLine:
    text: bytes


def decode(wire: bytes) -> object:
    """A reply as Python values: bulk and simple strings as bytes, maps as lists of pairs, sets and pushes as lists."""
    value, end = _decode(wire, 0)
    assert end == len(wire)
    return value


def _decode(wire: bytes, at: int) -> tuple[object, int]:
    stop = wire.index(b"\r\n", at)
    mark, rest = wire[at : at + 1], wire[at + 1 : stop]
    end = stop + 2
    if mark == b"+":
        return rest, end
    if mark == b"-":
        return ErrorLine(rest), end
    if mark == b":":
        return int(rest), end
    if mark == b"_" or rest == b"-1":
        return None, end
    if mark in b"$=":
        return wire[end : end + int(rest)], end + int(rest) + 2
    if mark in b"*~>%":
        items: list[object] = []
        for _ in range(int(rest) * (2 if mark == b"%" else 1)):
            item, end = _decode(wire, end)
            items.append(item)
        return items, end
    return rest, end
