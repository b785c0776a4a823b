"""The window of appends that a follower has not acknowledged yet.

It bounds how much is on the wire for a slow follower, by messages and by bytes. Acknowledgements are cumulative: one
frees everything up to its index.
"""

from __future__ import annotations

from collections import deque


class Inflights:
    __slots__ = ("_bytes", "_max_bytes", "_max_count", "_window")

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        """0: no limit. The limit is soft: the message that crosses it was sent before we knew."""
        self._window: deque[tuple[int, int]] = deque()
        """(index of the last entry, bytes) of each append, oldest first."""
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._window)

    @property
    def full(self) -> bool:
        return len(self._window) >= self._max_count or bool(self._max_bytes and self._bytes >= self._max_bytes)

    def add(self, last_index: int, size: int) -> None:
        """An append that ends with `last_index` was sent."""
        self._window.append((last_index, size))
        self._bytes += size

    def free_to(self, index: int) -> None:
        """The follower has everything up to and with `index`."""
        window = self._window
        while window and window[0][0] <= index:
            self._bytes -= window.popleft()[1]

    def clear(self) -> None:
        self._window.clear()
        self._bytes = 0
