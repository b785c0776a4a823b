"""Operations that outlive the call that started them.

A first-generation administration call answers at once with a token; the client awaits the token and then forgets it.
`Futures` owns the tasks behind the tokens: they end by themselves (each operation has a deadline of its own), or at
`close`, and never because a client went away. Results are kept for a while after they are there, so that a client
that lost its connection can ask again; how many and for how long is bounded, because nobody has to come back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from elastickv.clock import Clock
from elastickv.errors import Fault, KvError

log = logging.getLogger(__name__)

Operation = Callable[[], Awaitable[int | None]]
"""Called once, in a task of its own; returns the log index of what it did, where there is one."""

TOKEN_BYTES: Final = 20


def new_token() -> str:
    """40 hexadecimal characters. Not guessable: who knows a token may read the result and forget it."""
    return secrets.token_hex(TOKEN_BYTES)


@dataclass(slots=True)
class _Future:
    task: asyncio.Task[int]
    finished_at: float | None = None
    """Monotonic seconds; None while the operation runs."""
    forgotten: asyncio.Event = field(default_factory=asyncio.Event)


class Futures:
    """Running operations and the results that are still kept.

    At most `max_count` tokens exist. When they are used up, the oldest finished one makes room; when all of them still
    run, a new operation is refused (OVERLOAD). A result is kept for `max_age_seconds`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_count: int = 1024,
        max_age_seconds: float = 600.0,
        token: Callable[[], str] = new_token,
    ) -> None:
        self._clock = clock
        self._max_count = max_count
        self._max_age_seconds = max_age_seconds
        self._token = token
        self._futures: dict[str, _Future] = {}
        """Oldest first."""
        self._tasks: set[asyncio.Task[int]] = set()
        """All that run, forgotten ones too."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._futures)

    def start(self, operation: Operation) -> str:
        """Run `operation` in the background; returns its token."""
        self._expire()
        self._make_room()
        future = _Future(self.spawn(operation))
        token = self._token()
        self._futures[token] = future
        future.task.add_done_callback(lambda _: self._on_done(future))
        return token

    def spawn(self, operation: Operation) -> asyncio.Task[int]:
        """Run `operation` in the background, without a token."""
        if self._closed:
            raise KvError(Fault.SHUTTING_DOWN, "this node is stopping; nothing was done")
        task = asyncio.get_running_loop().create_task(_run(operation))
        self._tasks.add(task)
        task.add_done_callback(self._on_end)
        return task

    async def run(self, operation: Operation) -> int:
        """Run `operation` and wait for it. If the waiter is cancelled, the operation goes on to its own end: a change
        of membership must not be abandoned half-way because a client hung up."""
        return await self._result(self.spawn(operation))

    async def wait(self, token: str) -> int:
        """The operation's result, or its exception. NOT_FOUND for a token that is unknown, forgotten or expired."""
        self._expire()
        future = self._futures.get(token)
        if future is None:
            raise UnknownToken(token)
        return await self._result(future.task)

    def forget(self, token: str) -> None:
        """Drop the result; the operation itself goes on. Unknown tokens are fine."""
        future = self._futures.pop(token, None)
        if future is not None:
            future.forgotten.set()

    async def collected(self, token: str, timeout: float) -> None:
        """Return when the token is forgotten, or after `timeout` seconds."""
        future = self._futures.get(token)
        if future is not None:
            try:
                async with asyncio.timeout(timeout):
                    await future.forgotten.wait()
            except TimeoutError:
                pass

    async def close(self) -> None:
        """End all operations; those who wait for them get SHUTTING_DOWN."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _result(self, task: asyncio.Task[int]) -> int:
        # `wait` instead of awaiting the task: a waiter that is cancelled must not take the operation with it.
        await asyncio.wait([task])
        if task.cancelled():
            raise KvError(Fault.SHUTTING_DOWN, "this node is stopping; the outcome of the operation is unknown")
        return task.result()

    def _on_end(self, task: asyncio.Task[int]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may ever ask for it, and that is no defect

    def _on_done(self, future: _Future) -> None:
        future.finished_at = self._clock.monotonic()

    def _expire(self) -> None:
        limit = self._clock.monotonic() - self._max_age_seconds
        for token, future in list(self._futures.items()):
            if future.finished_at is not None and future.finished_at <= limit:
                self.forget(token)

    def _make_room(self) -> None:
        if len(self._futures) < self._max_count:
            return
        for token, future in self._futures.items():
            if future.task.done():
                self.forget(token)
                return
        raise KvError(Fault.OVERLOAD, f"{self._max_count} operations are in progress; nothing was done")


async def _run(operation: Operation) -> int:
    try:
        return await operation() or 0
    except KvError:
        raise
    except Exception as error:
        request = secrets.token_hex(8)
        log.exception("operation failed unexpectedly", extra={"request": request})
        raise KvError(Fault.INTERNAL, f"internal error; request {request}") from error


class UnknownToken(KvError):
    """A token that was never given out, or was forgotten, or has expired. A kind of its own, because the operation
    behind a known token may fail with NOT_FOUND too, and that is a result and not an error of the call."""

    def __init__(self, token: str) -> None:
        super().__init__(Fault.NOT_FOUND, f"operation {token!r} is unknown: never started here, forgotten or expired")
