"""What a follower must know about a command that it sends to the leader, and about one whose reply never came."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.dispatch import Route, Router
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.pending import Transaction
from elastickv.redis_api.resp import Words
from elastickv.redis_api.traits import RUN_SCRIPTS

_SAFE_TO_REPEAT: Final = frozenset({"watch", "unwatch", "wait"})
_CHANGE_IMAGES: Final = frozenset({"acl|setuser", "acl|deluser", "config|set"})


class Judge:
    """Answers from the command table, for single commands and whole transactions."""

    __slots__ = ("_router",)

    def __init__(self, router: Router) -> None:
        self._router = router

    def route(self, argv: Words) -> Route | None:
        """None: there is no such command."""
        try:
            return self._router.find(argv)
        except RedisError:
            return None

    def changes_images(self, argv: Words) -> bool:
        """It changes what every node keeps an image of (users, settings of the cluster): the client gets its reply when
        this node has followed, so that what it does next finds the change here."""
        if type(argv) is not list or argv[0].lower() not in (b"acl", b"config"):
            return False
        route = self.route(argv)
        return route is not None and route.name in _CHANGE_IMAGES

    def only_reads(self, argv: Words) -> bool:
        """It may be sent twice."""
        if type(argv) is Transaction:
            return all(self.only_reads(one) for one in argv.queue)
        route = self.route(argv)
        return route is not None and (route.readonly or route.is_local(argv) or route.name in _SAFE_TO_REPEAT)

    def may_wait(self, argv: Words) -> bool:
        """It waits for something to come, and not only for its turn."""
        if type(argv) is Transaction:
            return False
        route = self.route(argv)
        if route is None or not route.blocking or route.name in _SAFE_TO_REPEAT:
            return False
        if route.name not in ("xread", "xreadgroup"):
            return True
        options = [word.upper() for word in argv[1:]]
        return b"BLOCK" in options[: options.index(b"STREAMS") if b"STREAMS" in options else None]

    def runs_script(self, argv: Words) -> bool:
        """It runs a script, or is a transaction in which one runs."""
        return any(one[0].lower() in RUN_SCRIPTS for one in (argv.queue if type(argv) is Transaction else (argv,)))
