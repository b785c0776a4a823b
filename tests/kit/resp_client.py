"""A RESP client that says exactly how far a request got.

Client libraries repeat requests and fold many failures into one exception; who records a history must know whether
nothing was sent, or whether something was sent and the answer never came.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import hiredis

Reply: TypeAlias = "bytes | int | hiredis.ReplyError | list[Reply] | None"


class NotSent(Exception):
    """No connection: the server has seen nothing of the request."""


class NoAnswer(Exception):
    """The request went out, and then the connection ended."""


class Hung(NoAnswer):
    """The request went out, and no answer came in time."""


class RespConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use `open`."""
        self._reader = reader
        self._writer = writer
        self._parser = hiredis.Reader()

    @classmethod
    async def open(cls, host: str, port: int, timeout: float = 2.0) -> RespConnection:
        try:
            async with asyncio.timeout(timeout):
                return cls(*await asyncio.open_connection(host, port))
        except OSError as error:
            raise NotSent(f"{host}:{port}: {error}") from None

    async def call(self, *words: str | int | bytes, timeout: float = 10.0) -> Reply:
        """One command; an error reply is returned and not raised."""
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(hiredis.pack_command(words))  # type: ignore[arg-type]  # it says Tuple[one word]
                await self._writer.drain()
                while (reply := self._parser.gets()) is False:
                    data = await self._reader.read(1 << 16)
                    if not data:
                        raise NoAnswer("closed by the server")
                    self._parser.feed(data)
        except TimeoutError:
            raise Hung(f"no answer to {words[0]!r} within {timeout:g} s") from None
        except OSError as error:
            raise NoAnswer(str(error)) from None
        answer: Reply = reply
        return answer

    def close(self) -> None:
        """At once; what was sent may still be executed."""
        self._writer.transport.abort()
