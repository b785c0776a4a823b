"""Records that every node keeps an image of: settings of the cluster, and its users (`acl`).

The leader changes such a record as a command changes a key: on the view, before it is committed, and its own image goes
with it, because commands that follow are executed on the view too. All other nodes take what is committed. When
proposals are dropped, or the lead comes or goes, the image is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from elastickv.kv.keyspace import META
from elastickv.kv.ports import Store

_SETTINGS_KEY: Final = META + b"redis-settings"


class SharedRecord:
    """One record; `changed` is told of its content whenever that is another."""

    def __init__(self, store: Store, key: bytes, changed: Callable[[bytes], None]) -> None:
        self.raw = b""
        self._store = store
        self._key = key
        self._changed = changed
        self._last_committed = b""
        store.observe(key, self._committed)

    def _committed(self, raw: bytes | None) -> None:
        self._last_committed = raw or b""
        if not self._store.serving:
            self._take(self._last_committed)

    def write(self, raw: bytes) -> None:
        """On the serving leader, within a command."""
        self._store.view.put(self._key, raw)
        self._take(raw)

    def reload(self) -> None:
        """The lead has come or gone, or what was executed was dropped."""
        self._take((self._store.view.get(self._key) or b"") if self._store.serving else self._last_committed)

    def _take(self, raw: bytes) -> None:
        if raw != self.raw:
            self.raw = raw
            self._changed(raw)


Take = Callable[[Mapping[str, bytes], Mapping[str, bytes]], None]
"""Told of what was set and of the defaults."""


class SharedSettings:
    """CONFIG parameters of the cluster: "name value" lines in one record."""

    def __init__(self, store: Store) -> None:
        self.values: dict[str, bytes] = {}
        self._store = store
        self._record: SharedRecord | None = None

    def start(self, take: Take, defaults: Mapping[str, bytes]) -> None:
        def changed(raw: bytes) -> None:
            pairs = (line.partition(b" ") for line in raw.split(b"\n") if line)
            self.values = {name.decode("latin-1"): text for name, _, text in pairs}
            take(self.values, defaults)

        self._record = SharedRecord(self._store, _SETTINGS_KEY, changed)

    def write(self, changes: Mapping[str, bytes]) -> None:
        """Within a command of the leader; values are such that their line ends where they do."""
        assert self._record is not None
        values = {name: text for name, text in self.values.items() if name not in changes} | dict(changes)
        self._record.write(b"\n".join([b"%b %b" % (name.encode("latin-1"), text) for name, text in values.items()]))

    def reload(self) -> None:
        assert self._record is not None
        self._record.reload()
