"""All that the Redis door keeps for scripts, in one place: `ServerState.scripts`."""

from __future__ import annotations

from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.scripting.engine import Engine
from elastickv.redis_api.scripting.functions import Functions
from elastickv.redis_api.scripting.slices import LEAD_LOST, STOPPING
from elastickv.redis_api.scripting.store import ScriptStore
from elastickv.redis_api.state import ServerState


class Scripts:
    def __init__(self, state: ServerState, router: Router) -> None:
        self.engine = Engine(state, router)
        self.slices = self.engine.slices
        self.store = ScriptStore(state.view, self.engine)
        self.functions = Functions(state.view, self.engine)

    def reset(self) -> None:
        """This node begins to lead, or writes that had been executed were dropped."""
        self.slices.drop(LEAD_LOST)
        self.store.reset()
        self.functions.reset()

    def stop(self) -> None:
        """The node stops."""
        self.slices.drop(STOPPING)
