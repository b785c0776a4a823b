"""Waiting in tests: until something holds, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], *, timeout: float = 10.0, pause: float = 0.02
) -> None:
    """Return once `holds()` is true; TimeoutError after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while True:
            answer = holds()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(pause)
