"""Who waits for which log entry: membership changes, barriers, anything that is not on the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from elastickv.errors import Fault, KvError
from elastickv.raft.types import Entry


class Waiting:
    """Futures by log index. A future gets the index once that very entry is applied, or a KvError(NOT_LEADER) when
    another entry took its place."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._by_index: dict[int, list[tuple[int, asyncio.Future[int]]]] = {}
        self._reached: list[tuple[int, asyncio.Future[int]]] = []
        self._closed: KvError | None = None

    def entry(self, index: int, term: int) -> asyncio.Future[int]:
        """Done when the entry that was proposed at (index, term) is applied here."""
        future = self._future()
        self._by_index.setdefault(index, []).append((term, future))
        return future

    def reaches(self, index: int) -> asyncio.Future[int]:
        """Done when the applied index is at least `index`. The caller has seen that it is not yet."""
        future = self._future()
        self._reached.append((index, future))
        return future

    def _future(self) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self._loop.create_future()
        if self._closed is not None:
            future.set_exception(self._closed)
        return future

    def applied(self, index: int, entries: Sequence[Entry]) -> None:
        """These entries were just applied; `index` is the last."""
        if self._by_index:
            for entry in entries:
                for term, future in self._by_index.pop(entry.index, ()):
                    if future.done():
                        continue
                    if term == entry.term:
                        future.set_result(entry.index)
                    else:
                        future.set_exception(KvError(Fault.NOT_LEADER, "the change was dropped with the former leader"))
        if self._reached:
            ready = [one for one in self._reached if one[0] <= index]
            self._reached = [one for one in self._reached if one[0] > index and not one[1].done()]
            for _, future in ready:
                if not future.done():
                    future.set_result(index)

    def skipped_to(self, index: int) -> None:
        """A snapshot took the place of the entries up to `index`: their fate does not show here."""
        for at in [at for at in self._by_index if at <= index]:
            for _, future in self._by_index.pop(at):
                if not future.done():
                    future.set_exception(KvError(Fault.OUTCOME_UNKNOWN))
        self.applied(index, ())

    def close(self, error: KvError) -> None:
        """Nothing will be applied any more."""
        self._closed = error
        futures = [future for waiters in self._by_index.values() for _, future in waiters]
        futures += [future for _, future in self._reached]
        self._by_index.clear()
        self._reached.clear()
        for future in futures:
            if not future.done():
                future.set_exception(error)
