"""What listens on --dynamoAddress: every operation is answered as one that this server does not offer.

DynamoDB's answer to an operation that it does not know is UnknownOperationException (HTTP 400), which SDKs report
at once and do not retry. `GET /` is AWS' health answer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Final

import h11
import orjson

_log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 16 << 20
IDLE_SECONDS: Final = 60.0
_READ_BYTES: Final = 64 << 10

UNKNOWN_OPERATION: Final = orjson.dumps(
    {
        "__type": "com.amazon.coral.service#UnknownOperationException",
        "message": "this version of Elastickv does not offer DynamoDB operations",
    }
)


class DynamoServer:
    """Listens from `start` to `stop`."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._on_connection, host or None, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await _serve(reader, writer)
        except (OSError, TimeoutError, h11.RemoteProtocolError):
            pass  # the client went away, was too slow, or does not speak HTTP
        except asyncio.CancelledError:
            pass  # stop(); the stream protocol would log a cancellation as a defect
        finally:
            self._connections.discard(task)
            writer.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        request: h11.Request | None = None
        body_bytes = 0
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(IDLE_SECONDS):
                    connection.receive_data(await reader.read(_READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body_bytes += len(event.data)
                if body_bytes > MAX_BODY_BYTES:
                    break
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        if request is None:
            return
        status, content_type, body = 400, b"application/x-amz-json-1.0", UNKNOWN_OPERATION
        if body_bytes > MAX_BODY_BYTES:
            status, content_type, body = 413, b"text/plain", b"the request is larger than 16 MiB\n"
        elif request.method in (b"GET", b"HEAD") and request.target == b"/":
            status, content_type, body = 200, b"text/plain", b"healthy: elastickv"
        headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (b"x-amzn-requestid", secrets.token_hex(26).upper().encode()),
        ]
        writer.write(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        if request.method != b"HEAD":
            writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()
