"""All that the Redis door keeps for scripts, in one place: `ServerState.scripts`."""

from __future__ import annotations

from collections.abc import Collection

from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.scripting.engine import Engine
from elastickv.redis_api.scripting.functions import Functions
from elastickv.redis_api.scripting.shebang import script_head
from elastickv.redis_api.scripting.slices import LEAD_LOST, STOPPING
from elastickv.redis_api.scripting.store import ScriptStore
from elastickv.redis_api.state import ServerState


class Scripts:
    def __init__(self, state: ServerState, router: Router) -> None:
        self._state = state
        self.engine = Engine(state, router)
        self.slices = self.engine.slices
        self.store = ScriptStore(state.view, self.engine)
        self.functions = Functions(state.view, self.engine)

    def declared_flags(self, command: str, script: bytes) -> Collection[bytes] | None:
        """What EVAL, EVALSHA or FCALL of this script says of itself; None when there is no shebang, or when the script
        is not known (only the leader knows those that are not sent along)."""
        if command in ("eval", "eval_ro"):
            try:
                head = script_head(script)
            except RedisError:
                return None
            return None if head.compatible else head.flags
        if not self._state.store.serving:
            return None
        if command.startswith("evalsha"):
            known = self.store.find(script.lower())
            return None if known is None or known.head.compatible else known.head.flags
        function = self.functions.find(script)
        return None if function is None else function.flags

    def reset(self) -> None:
        """This node begins to lead, or writes that had been executed were dropped."""
        self.slices.drop(LEAD_LOST)
        self.store.reset()
        self.functions.reset()

    def stop(self) -> None:
        """The node stops."""
        self.slices.drop(STOPPING)
