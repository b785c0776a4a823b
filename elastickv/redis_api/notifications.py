"""Keyspace notifications: what happens to keys, as messages.

The leader executes every command, so events arise there and nowhere else; as messages they go to the subscribers of all
nodes, after the commit of what caused them (`announcements`). `notify-keyspace-events` is a setting of the cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from elastickv.redis_api.pubsub import Event, Kind
from elastickv.redis_api.tracking import changed
from elastickv.redis_api.values import events
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.databases import Databases

_KEYSPACE: Final = 1 << 30
_KEYEVENT: Final = 1 << 31
_CLASSES: Final = "g$lshzxetd"
"""What A stands for, in the order in which Redis shows it."""
_ALL: Final = sum(events.LETTERS[letter] for letter in _CLASSES)
_BITS: Final = {**events.LETTERS, "A": _ALL, "K": _KEYSPACE, "E": _KEYEVENT}


def parse(text: str) -> object:
    """From letters to bits; ValueError for a letter that is none (Redis' keyspaceEventsStringToFlags)."""
    mask = 0
    for letter in text:
        if letter not in _BITS:
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        mask |= _BITS[letter]
    return mask


def letters(mask: int) -> str:
    """As CONFIG GET shows it."""
    if mask & _ALL == _ALL:
        shown = "A"
    else:
        shown = "".join(letter for letter in _CLASSES + "n" if mask & events.LETTERS[letter])
    return shown + "".join(letter for letter in "KEm" if mask & _BITS[letter])


class Notifier:
    """Turns events into messages, while somebody asked for some."""

    def __init__(self, databases: Databases, outgoing: Callable[[], list[Event]]) -> None:
        self._databases = databases
        self._outgoing = outgoing
        self._mask = self._shown = 0
        self._tracked = False

    @property
    def letters(self) -> str:
        return letters(self._shown)

    def listen(self, mask: object) -> None:
        assert isinstance(mask, int)
        self._mask = mask if mask & (_KEYSPACE | _KEYEVENT) else 0
        self._shown = mask
        self._settle()

    def track(self, tracked: bool) -> None:
        """Somebody in the cluster keeps copies of keys (`tracking`)."""
        self._tracked = tracked
        self._settle()

    def _settle(self) -> None:
        self._databases.listener = self if self._mask or self._tracked else None

    def __call__(self, database: Database, event_class: int, event: bytes, key: bytes) -> None:
        mask = self._mask
        outgoing = self._outgoing()
        if self._tracked and event_class != events.KEY_MISS and (not outgoing or outgoing[-1] != changed(key)):
            outgoing.append(changed(key))
        if not mask & event_class:
            return
        if mask & _KEYSPACE:
            outgoing.append((Kind.CHANNEL, b"__keyspace@%d__:%b" % (database.number, key), event))
        if mask & _KEYEVENT:
            outgoing.append((Kind.CHANNEL, b"__keyevent@%d__:%b" % (database.number, event), key))
