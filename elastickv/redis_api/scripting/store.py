"""The scripts that the cluster knows: one replicated record each, so that EVALSHA works on whoever leads.

    m redis-script: <sha1:20>      kind:1 source        kind is b"L" (SCRIPT LOAD) or b"E" (seen by EVAL)

What is compiled is kept by SHA1, and so never stale. Scripts that EVAL brought are remembered for EVALSHA, but not
for ever: beyond MAX_EVALUATED the oldest is forgotten, so that clients that build their scripts from values do not fill
the store. (Redis has done the same since 7.4.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from elastickv.kv.keyspace import META, prefix_end
from elastickv.kv.view import View
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.scripting.engine import Engine
from elastickv.redis_api.scripting.lua_state import Function
from elastickv.redis_api.scripting.shebang import ScriptHead, script_head

PREFIX: Final = META + b"redis-script:"
MAX_EVALUATED: Final = 500
_LOADED: Final = b"L"
_EVALUATED: Final = b"E"


@dataclass(slots=True)
class Script:
    sha: bytes
    """40 hex digits, lower case."""
    source: bytes
    head: ScriptHead
    function: Function

    @property
    def read_only(self) -> bool:
        return b"no-writes" in self.head.flags


class ScriptStore:
    """Only the serving leader uses it."""

    def __init__(self, view: View, engine: Engine) -> None:
        self._view = view
        self._engine = engine
        self._by_sha: dict[bytes, Script] = {}
        self._by_source: dict[bytes, Script] = {}
        self._recorded: set[bytes] = set()
        """SHA1s that are known to have a record."""
        self._evaluated: dict[bytes, None] | None = None
        """Those with a record of kind E, oldest first; None: to be read from the records."""

    def reset(self) -> None:
        """This node begins to lead, or writes were dropped: look at the records again."""
        self._recorded.clear()
        self._evaluated = None

    def find(self, sha: bytes) -> Script | None:
        """The script, compiled; None when the cluster does not know it."""
        if sha in self._recorded:
            script = self._by_sha.get(sha)
            if script is not None:
                return script
        record = self._record(sha)
        if record is None:
            return None
        self._recorded.add(sha)
        return self._by_sha.get(sha) or self._compile(sha, record[1:])

    @property
    def known(self) -> int:
        """How many scripts there are."""
        return sum(1 for _ in self._view.scan(PREFIX, prefix_end(PREFIX)))

    def exists(self, sha: bytes) -> bool:
        return self._record(sha) is not None

    def _record(self, sha: bytes) -> bytes | None:
        try:
            name = bytes.fromhex(sha.decode("ascii"))
        except ValueError:
            return None
        return self._view.get(PREFIX + name) if len(sha) == 40 and len(name) == 20 else None

    def evaluated(self, source: bytes) -> Script:
        """The script for EVAL, which also makes it known."""
        script = self._by_source.get(source)
        if script is not None and script.sha in self._recorded:
            return script
        sha = hashlib.sha1(source).hexdigest().encode()
        script = self._by_sha.get(sha) or self._compile(sha, source)
        if self._record(sha) is None:
            self._view.put(PREFIX + bytes.fromhex(sha.decode()), _EVALUATED + source)
            self._forget_beyond(sha)
        self._recorded.add(sha)
        return script

    def load(self, source: bytes) -> Script:
        """SCRIPT LOAD."""
        sha = hashlib.sha1(source).hexdigest().encode()
        script = self._by_sha.get(sha) or self._compile(sha, source)
        record = self._record(sha)
        if record is None or record[:1] != _LOADED:
            self._view.put(PREFIX + bytes.fromhex(sha.decode()), _LOADED + source)
            if self._evaluated is not None:
                self._evaluated.pop(sha, None)
        self._recorded.add(sha)
        return script

    def flush(self) -> None:
        if next(self._view.scan(PREFIX, prefix_end(PREFIX)), None) is not None:
            self._view.delete_range(PREFIX, prefix_end(PREFIX))
        self._recorded.clear()
        self._evaluated = None
        self._by_sha.clear()
        self._by_source.clear()

    def _compile(self, sha: bytes, source: bytes) -> Script:
        head = script_head(source)
        function, problem = self._engine.lua.compile(head.text)
        if function is None:
            raise RedisError(b"ERR Error compiling script (new function): " + problem)
        script = Script(sha, source, head, function)
        self._by_sha[sha] = self._by_source[source] = script
        return script

    def _forget_beyond(self, newest: bytes) -> None:
        evaluated = self._evaluated
        if evaluated is None:
            evaluated = self._evaluated = {
                key[len(PREFIX) :].hex().encode(): None
                for key, record in self._view.scan(PREFIX, prefix_end(PREFIX))
                if record[:1] == _EVALUATED
            }
        evaluated.pop(newest, None)
        evaluated[newest] = None
        while len(evaluated) > MAX_EVALUATED:
            oldest = next(iter(evaluated))
            del evaluated[oldest]
            self._recorded.discard(oldest)
            self._view.delete(PREFIX + bytes.fromhex(oldest.decode()))
            script = self._by_sha.pop(oldest, None)
            if script is not None:
                self._by_source.pop(script.source, None)

    @property
    def compiled(self) -> int:
        """Scripts that are compiled on this node."""
        return len(self._by_sha)
