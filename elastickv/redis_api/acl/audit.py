"""ACL LOG: what this node refused lately. Refusals of one kind within a minute are one entry with a count."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

_SAME_WITHIN_MS: Final = 60_000


@dataclass(slots=True)
class Entry:
    id: int
    reason: bytes
    """command, key, channel or auth."""
    context: bytes
    """toplevel, multi or lua."""
    object: bytes
    username: bytes
    client_info: bytes
    created_ms: int
    updated_ms: int
    count: int = 1


class AuditLog:
    def __init__(self) -> None:
        self.max_length = 128
        """acllog-max-len."""
        self.entries: deque[Entry] = deque()
        """Newest first."""
        self._next_id = 0

    def add(
        self, reason: bytes, context: bytes, object: bytes, username: bytes, client_info: bytes, now_ms: int
    ) -> None:
        for entry in self.entries:
            if (
                entry.reason == reason
                and entry.context == context
                and entry.object == object
                and entry.username == username
                and now_ms - entry.updated_ms <= _SAME_WITHIN_MS
            ):
                entry.count += 1
                entry.client_info = client_info
                entry.updated_ms = now_ms
                self.entries.remove(entry)
                self.entries.appendleft(entry)
                return
        self.entries.appendleft(Entry(self._next_id, reason, context, object, username, client_info, now_ms, now_ms))
        self._next_id += 1
        self.trim()

    def trim(self) -> None:
        while len(self.entries) > self.max_length:
            self.entries.pop()
