"""Whether a user may run a command, with its keys and channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from elastickv.redis_api import glob
from elastickv.redis_api.acl.rules import READ, WRITE, Selector, User
from elastickv.redis_api.registry import Command, Flag


class Denied(IntEnum):
    """Of several selectors that all refuse, the reason that comes furthest is told."""

    COMMAND = 1
    KEY = 2
    CHANNEL = 4


@dataclass(frozen=True, slots=True)
class Denial:
    user: bytes
    denied: Denied
    object: bytes
    """The full name of the command, or the key or channel."""
    command: str

    def text(self, *, verbose: bool = False) -> bytes:
        """Without the prefix; `verbose` is for those who are allowed to know what others may touch (ACL DRYRUN)."""
        if self.denied is Denied.COMMAND:
            return b"User %b has no permissions to run the '%b' command" % (self.user, self.command.encode())
        what = b"key" if self.denied is Denied.KEY else b"channel"
        if verbose:
            return b"User %b has no permissions to access the '%b' %b" % (self.user, self.object, what)
        return b"No permissions to access a %b" % what


_TEXT_IN_EXEC: Final = {
    Denied.COMMAND: b"no permission to execute the command or subcommand",
    Denied.KEY: b"no permission to touch the specified keys",
    Denied.CHANNEL: b"no permission to access one of the channels used as argument to the command",
}


def text_in_exec(denial: Denial) -> bytes:
    return (
        b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
        b"This command is no longer allowed for the following reason: " + _TEXT_IN_EXEC[denial.denied]
    )


_ACCESS: Final = {"sort": ("RO ACCESS", "OW UPDATE")}
"""Where what is told of the keys says nothing of their order."""
_WRITING: Final = frozenset(("INSERT", "DELETE", "UPDATE"))

_CHANNELS: Final[dict[str, tuple[Callable[[Sequence[bytes]], Sequence[bytes]], bool]]] = {
    "publish": (lambda argv: argv[1:2], False),
    "spublish": (lambda argv: argv[1:2], False),
    "subscribe": (lambda argv: argv[1:], False),
    "ssubscribe": (lambda argv: argv[1:], False),
    "psubscribe": (lambda argv: argv[1:], True),
}
"""Where the channels are, and whether they are patterns."""


def keys_with_access(command: Command, argv: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Each key with READ and WRITE as far as its *content* is read or changed: EXISTS needs neither, as in Redis."""
    access = command.key_access or _ACCESS.get(command.name) or tuple(spec.access for spec in command.key_specs)
    access = access or ("RW ACCESS UPDATE",)
    if access[0] == "NOT_KEY":
        return []
    needs = [READ * ("ACCESS" in words) | WRITE * bool(_WRITING & set(words)) for words in map(str.split, access)]
    return [(key, needs[min(place, len(needs) - 1)]) for place, key in enumerate(command.keys_of(argv))]


def denial(user: User, command: Command, argv: Sequence[bytes]) -> Denial | None:
    """Why not; None when the user may."""
    worst: tuple[Denied, bytes] | None = None
    keys: list[tuple[bytes, int]] | None = None
    for selector in user.selectors:
        found: tuple[Denied, bytes] | None
        if not _may_run(selector, command, argv):
            found = Denied.COMMAND, command.name.encode()
        else:
            if keys is None and not selector.all_keys:
                keys = keys_with_access(command, argv)
            found = _refused_key(selector, keys or []) or _refused_channel(selector, command, argv)
        if found is None:
            return None
        if worst is None or found[0] > worst[0]:
            worst = found
    assert worst is not None
    return Denial(user.name, worst[0], worst[1], command.name)


def _may_run(selector: Selector, command: Command, argv: Sequence[bytes]) -> bool:
    if selector.all_commands or command.name in selector.allowed or Flag.NO_AUTH in command.flags:
        return True
    words = selector.first_args.get(command.name)
    return words is not None and len(argv) > 1 and argv[1].lower() in words


def _refused_key(selector: Selector, keys: Sequence[tuple[bytes, int]]) -> tuple[Denied, bytes] | None:
    if not selector.all_keys:
        for key, needed in keys:
            if not may_touch(selector, key, needed):
                return Denied.KEY, key
    return None


def may_touch(selector: Selector, key: bytes, needed: int) -> bool:
    return selector.all_keys or any(
        access & needed == needed and glob.matches(pattern, key) for pattern, access in selector.keys.items()
    )


def may_read_any_key(user: User, command: Command, argv: Sequence[bytes]) -> bool:
    """A selector that allows this command lets it read every key: for those that look at keys nobody has named."""
    return any(
        (selector.all_keys or selector.keys.get(b"*", 0) & READ)
        and _may_run(selector, command, argv)
        and not _refused_key(selector, keys_with_access(command, argv))
        for selector in user.selectors
    )


def _refused_channel(selector: Selector, command: Command, argv: Sequence[bytes]) -> tuple[Denied, bytes] | None:
    found = _CHANNELS.get(command.name)
    if found is not None and not selector.all_channels:
        where, are_patterns = found
        for channel in where(argv):
            if not may_listen(selector, channel, is_pattern=are_patterns):
                return Denied.CHANNEL, channel
    return None


def may_listen(selector: Selector, channel: bytes, *, is_pattern: bool) -> bool:
    """A pattern must be allowed literally."""
    if selector.all_channels:
        return True
    if is_pattern:
        return channel in selector.channels
    return any(glob.matches(pattern, channel) for pattern in selector.channels)
