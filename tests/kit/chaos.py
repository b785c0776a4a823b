"""A TCP proxy that does to connections what networks do: breaks them, holds them silently, damages bytes."""

from __future__ import annotations

import asyncio


class ChaosProxy:
    """Stands before one server. Nodes are told its address instead of the server's."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.address = ""
        self.accepting = True
        self.bytes_forwarded = 0
        """Towards the server."""
        self.break_after_bytes: int | None = None
        """Break all connections once so many more bytes went towards the server; then None again."""
        self.damage: bytes | None = None
        """The next occurrence of this towards the server is turned into zeros; then None again."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._on_connection, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def retarget(self, port: int) -> None:
        self._target = port

    def break_connections(self) -> None:
        """Reset them all."""
        for writer in self._writers:
            writer.transport.abort()

    def hold(self) -> None:
        """From now on nothing is forwarded, and nobody is told."""
        self._flowing.clear()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.break_connections()
        for pipe in tuple(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.accepting:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, far_writer):
            self._writers.add(one)
        for source, target, inward in ((reader, far_writer, True), (far_reader, writer, False)):
            pipe = asyncio.create_task(self._pipe(source, target, inward))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, inward: bool) -> None:
        try:
            while data := await source.read(65536):
                await self._flowing.wait()
                if inward:
                    data = self._tamper(data)
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(target)
            target.close()

    def _tamper(self, data: bytes) -> bytes:
        self.bytes_forwarded += len(data)
        if self.damage is not None and self.damage in data:
            data = data.replace(self.damage, bytes(len(self.damage)), 1)
            self.damage = None
        if self.break_after_bytes is not None:
            self.break_after_bytes -= len(data)
            if self.break_after_bytes <= 0:
                self.break_after_bytes = None
                self.break_connections()
        return data
