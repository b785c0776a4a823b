"""The command table is data: one declaration per command says its name, arity, flags, keys, category, docs and body.

The router, MULTI, COMMAND INFO/DOCS/GETKEYS, ACL categories and the generated documentation all read it from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Flag as BitFlag
from enum import auto
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from elastickv.redis_api.session import Call

Reply = object
"""What a handler returns; `replies` says which Python value becomes which RESP type."""

Handler = Callable[["Call"], Reply]
Alike = Callable[["Call", int], "list[Reply] | None"]


class Flag(BitFlag):
    """Redis' command flags, as far as this server gives them a meaning or clients look at them."""

    NONE = 0
    WRITE = auto()
    READONLY = auto()
    DENYOOM = auto()
    ADMIN = auto()
    PUBSUB = auto()
    NOSCRIPT = auto()
    BLOCKING = auto()
    LOADING = auto()
    STALE = auto()
    FAST = auto()
    NO_AUTH = auto()
    NO_MULTI = auto()
    MOVABLEKEYS = auto()
    MAY_REPLICATE = auto()
    NO_MANDATORY_KEYS = auto()
    SKIP_MONITOR = auto()
    SKIP_SLOWLOG = auto()
    ALLOW_BUSY = auto()
    LOCAL = auto()
    """Ours: answered by the node that the client is connected to, never forwarded to the leader."""
    SESSION = auto()
    """Ours: looks at or changes the state of the session, or may not answer at once (`session.Later`)."""


@dataclass(frozen=True, slots=True)
class KeySpan:
    """Where keys sit in argv: first, last (negative counts from the end), step. As in COMMAND INFO."""

    first: int
    last: int
    step: int = 1

    def of(self, argv: Sequence[bytes]) -> list[bytes]:
        last = self.last if self.last >= 0 else len(argv) + self.last
        return list(argv[self.first : last + 1 : self.step])


class KeyFinder(Protocol):
    """Finds the keys of a command where their place depends on its arguments (SORT, EVAL, ZUNION)."""

    def __call__(self, argv: Sequence[bytes]) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key specification of COMMAND INFO, for commands that `keys` and `key_access` cannot describe."""

    access: str
    """In Redis' words: "RO", "RW", "OW", "RM" plus "ACCESS", "UPDATE", …"""
    index: int = 0
    """Where the search begins; 0 when a keyword says it or nobody knows."""
    keyword: str = ""
    """Word behind which the keys come; searched for from `start_from` on (negative: from the end, backwards)."""
    start_from: int = 0
    last: int = 0
    step: int = 1
    limit: int = 0
    counted: tuple[int, int, int] | None = None
    """(place of the number of keys, place of the first key, step), from where the search begins; instead of a range."""
    notes: str = ""


def counted_keys(at: int, *fixed: int) -> KeyFinder:
    """Finds keys whose number stands in front of them, at word `at`; keys at the places `fixed` come first."""

    def find(argv: Sequence[bytes]) -> list[bytes]:
        text = argv[at] if at < len(argv) else b""
        count = int(text) if text.isdigit() and len(text) < 10 else 0
        if not 0 < count < len(argv) - at:
            return []
        return [*(argv[place] for place in fixed), *argv[at + 1 : at + 1 + count]]

    return find


NO_KEYS: Final = KeySpan(0, 0, 0)
ONE_KEY: Final = KeySpan(1, 1, 1)
ALL_KEYS: Final = KeySpan(1, -1, 1)


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    """Lower case; a subcommand is "container|sub"."""
    arity: int
    """Number of words with the name; negative: at least that many."""
    flags: Flag
    keys: KeySpan
    handler: Handler
    group: str
    """Redis' documentation group: string, generic, bitmap, transactions, connection, server, ..."""
    since: str
    summary: str
    complexity: str = ""
    categories: tuple[str, ...] = ()
    """ACL categories beyond those that follow from the flags and the group."""
    find_keys: KeyFinder | None = None
    key_access: tuple[str, ...] = ()
    """For each key span what is done to the key, in Redis' words: "RO", "RW", "OW", "RM" plus "ACCESS", "UPDATE", …
    Fewer than there are keys: the last one is that of all the rest."""
    key_specs: tuple[KeySpec, ...] = ()
    """Instead of `keys` and `key_access`, for COMMAND INFO."""
    history: tuple[tuple[str, str], ...] = ()
    arguments: tuple[dict[str, object], ...] = ()
    """COMMAND DOCS' argument tree."""
    at_leader: Callable[[Sequence[bytes]], bool] | None = None
    """Ours, with Flag.LOCAL: with these words it is for the leader all the same."""
    alike: Alike | None = None
    """With a key and nothing else: the body of so many such commands in a row (see `redis_api.alike`). Their replies,
    or None to run them one by one; a KvError comes before anything has changed."""
    subcommands: dict[str, Command] = field(default_factory=dict)

    def accepts(self, words: int) -> bool:
        return words == self.arity if self.arity >= 0 else words >= -self.arity

    def keys_of(self, argv: Sequence[bytes]) -> list[bytes]:
        if self.find_keys is not None:
            return self.find_keys(argv)
        return self.keys.of(argv) if self.keys.first else []


class Registry(dict[str, Command]):
    """All commands by lower-case name."""

    def command(
        self,
        name: str,
        *,
        arity: int,
        flags: Flag,
        group: str,
        since: str,
        summary: str = "",
        keys: KeySpan | None = None,
        complexity: str = "",
        categories: tuple[str, ...] = (),
        find_keys: KeyFinder | None = None,
        key_access: tuple[str, ...] = (),
        key_specs: tuple[KeySpec, ...] = (),
        history: tuple[tuple[str, str], ...] = (),
        arguments: tuple[dict[str, object], ...] = (),
        at_leader: Callable[[Sequence[bytes]], bool] | None = None,
        alike: Alike | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated function as the body of `name` ("container|sub" for a subcommand).

        Raises ValueError at import, not in production, when the declaration contradicts itself.
        """
        if Flag.WRITE in flags and keys is None and find_keys is None:
            raise ValueError(f"{name}: a write must say where its keys are")
        if Flag.WRITE in flags and Flag.READONLY in flags:
            raise ValueError(f"{name}: either a write or a read")
        if arity == 0:
            raise ValueError(f"{name}: arity counts the name too")

        def declare(handler: Handler) -> Handler:
            text = summary or (handler.__doc__ or "").strip().split("\n")[0]
            command = Command(
                name=name,
                arity=arity,
                flags=flags,
                keys=keys or NO_KEYS,
                handler=handler,
                group=group,
                since=since,
                summary=text,
                complexity=complexity,
                categories=categories,
                find_keys=find_keys,
                key_access=key_access,
                key_specs=key_specs,
                history=history,
                arguments=arguments,
                at_leader=at_leader,
                alike=alike,
            )
            container, _, sub = name.partition("|")
            home: dict[str, Command] = self[container].subcommands if sub else self
            if (sub or container) in home:
                raise ValueError(f"{name}: declared twice")
            home[sub or container] = command
            return handler

        return declare


COMMANDS: Final = Registry()
