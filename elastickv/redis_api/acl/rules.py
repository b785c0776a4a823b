"""The rules of a user: read word by word as ACL SETUSER takes them, and described as ACL LIST shows them.

A user has flags, passwords (as SHA-256 in hex) and *selectors*: the root selector and any number in parentheses. A
command is allowed when one selector allows it whole. Each selector remembers the command rules that made it, in a
normal form: a rule takes the place of an older one about the same command, category or its subcommands.

Users are values: `User.changed` gives another one, so nobody sees half of an ACL SETUSER.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from elastickv.redis_api.acl.categories import CATEGORIES, all_commands, members
from elastickv.redis_api.registry import COMMANDS, Command
from elastickv.redis_api.resp import split_words

UNKNOWN: Final = b"Unknown command or category name in ACL"
SYNTAX: Final = b"Syntax error"
AFTER_ALL_KEYS: Final = (
    b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
    b"Try 'resetkeys' to start with an empty list of patterns"
)
AFTER_ALL_CHANNELS: Final = (
    b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. "
    b"Try 'resetchannels' to start with an empty list of channels"
)
NO_SUCH_PASSWORD: Final = b"The password you are trying to remove from the user does not exist"
BAD_HASH: Final = b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
FIRST_ARG_OF_SUBCOMMAND: Final = b"Allowing first-arg of a subcommand is not supported"

_HASH: Final = re.compile(rb"[0-9a-f]{64}\Z").match
_SPACES: Final = re.compile(rb"[\s\0]").search

READ: Final = 1
WRITE: Final = 2


class RuleError(Exception):
    """`word` cannot be a rule, and why in Redis' words."""

    def __init__(self, word: bytes, reason: bytes) -> None:
        super().__init__(word, reason)
        self.word = word
        self.reason = reason


def has_spaces(name: bytes) -> bool:
    """Blanks or NUL: such names and patterns could not be written down."""
    return _SPACES(name) is not None


def hash_password(password: bytes) -> bytes:
    return sha256(password).hexdigest().encode()


def _find(name: bytes) -> Command | None:
    container, _, sub = name.decode("latin-1").lower().partition("|")
    command = COMMANDS.get(container)
    return command.subcommands.get(sub) if command is not None and sub else command


@dataclass(slots=True)
class Selector:
    """A set of permissions that counts as a whole."""

    all_keys: bool = False
    all_channels: bool = False
    all_commands: bool = False
    """+@all, and nothing was taken away since."""
    future: bool = False
    """Commands that do not exist yet are allowed: the last word on everything was +@all."""
    allowed: set[str] = field(default_factory=set)
    """Full names of commands, "container|sub" for subcommands."""
    first_args: dict[str, set[bytes]] = field(default_factory=dict)
    """Commands that are allowed with these first arguments only (lower case)."""
    keys: dict[bytes, int] = field(default_factory=dict)
    """Pattern to READ and WRITE."""
    channels: dict[bytes, None] = field(default_factory=dict)
    rules: list[bytes] = field(default_factory=list)
    """Command rules as they were given."""

    def copy(self) -> Selector:
        first_args = {name: set(words) for name, words in self.first_args.items()}
        return replace(
            self,
            allowed=set(self.allowed),
            first_args=first_args,
            keys=dict(self.keys),
            channels=dict(self.channels),
            rules=list(self.rules),
        )

    def apply(self, word: bytes) -> None:
        """Obey one rule; RuleError."""
        lowered = word.lower()
        match lowered:
            case b"allkeys" | b"~*":
                self.all_keys = True
                self.keys.clear()
            case b"resetkeys":
                self.all_keys = False
                self.keys.clear()
            case b"allchannels" | b"&*":
                self.all_channels = True
                self.channels.clear()
            case b"resetchannels":
                self.all_channels = False
                self.channels.clear()
            case b"allcommands" | b"+@all":
                self._reset_commands(allow=True)
            case b"nocommands" | b"-@all":
                self._reset_commands(allow=False)
            case _:
                self._apply_marked(word)

    def _apply_marked(self, word: bytes) -> None:
        mark = word[:1]
        if mark in b"~%" and mark:
            self._add_keys(word)
        elif mark == b"&":
            if self.all_channels:
                raise RuleError(word, AFTER_ALL_CHANNELS)
            if has_spaces(word[1:]):
                raise RuleError(word, SYNTAX)
            self.channels[word[1:]] = None
        elif mark in b"+-" and mark and word[1:2] == b"@":
            category = word[2:].decode("latin-1").lower()
            if category not in CATEGORIES:
                raise RuleError(word, UNKNOWN)
            for command in members(category):
                self._permit(command, mark == b"+")
            self._remember(mark, word[1:].lower())
        elif mark == b"+":
            self._allow_command(word)
        elif mark == b"-":
            command_or_none = _find(word[1:])
            if command_or_none is None:
                raise RuleError(word, UNKNOWN)
            self._permit_family(command_or_none, allow=False)
            self._remember(mark, command_or_none.name.encode())
        else:
            raise RuleError(word, SYNTAX)

    def _add_keys(self, word: bytes) -> None:
        if self.all_keys:
            raise RuleError(word, AFTER_ALL_KEYS)
        access, pattern = READ | WRITE, word[1:]
        if word[:1] == b"%":
            letters, tilde, pattern = word[1:].partition(b"~")
            wanted = letters.upper()
            if not tilde or not wanted or sorted(wanted) not in ([*b"R"], [*b"W"], [*b"RW"]):
                raise RuleError(word, SYNTAX)
            access = READ * (b"R" in wanted) | WRITE * (b"W" in wanted)
        if has_spaces(pattern):
            raise RuleError(word, SYNTAX)
        self.keys[pattern] = self.keys.get(pattern, 0) | access

    def _allow_command(self, word: bytes) -> None:
        name, bar, sub = word[1:].rpartition(b"|")
        if not bar:
            command = _find(sub)
            if command is None:
                raise RuleError(word, UNKNOWN)
            self._permit_family(command, allow=True)
            self._remember(b"+", command.name.encode())
            return
        command = _find(name)
        if command is None:
            raise RuleError(word, UNKNOWN)
        if "|" in command.name:
            raise RuleError(word, FIRST_ARG_OF_SUBCOMMAND)
        if not sub:
            raise RuleError(word, SYNTAX)
        if command.subcommands:
            subcommand = _find(word[1:])
            if subcommand is None:
                raise RuleError(word, UNKNOWN)
            self._permit(subcommand, True)
        else:
            self.first_args.setdefault(command.name, set()).add(sub.lower())
        self._remember(b"+", word[1:].lower())

    def _permit(self, command: Command, allow: bool) -> None:
        if allow:
            self.allowed.add(command.name)
        else:
            self.allowed.discard(command.name)
            self.all_commands = False
        self.first_args.pop(command.name, None)

    def _permit_family(self, command: Command, *, allow: bool) -> None:
        self._permit(command, allow)
        for sub in command.subcommands.values():
            self._permit(sub, allow)

    def _reset_commands(self, *, allow: bool) -> None:
        self.all_commands = self.future = allow
        self.allowed = {command.name for command in all_commands()} if allow else set()
        self.first_args.clear()
        self.rules.clear()

    def _remember(self, mark: bytes, name: bytes) -> None:
        """A new rule replaces older ones about the same, and about subcommands of it."""
        below = name + b"|"
        self.rules = [rule for rule in self.rules if rule[1:] != name and not rule[1:].startswith(below)]
        self.rules.append(mark + name)

    # describing

    def describe_commands(self) -> bytes:
        return b" ".join([b"+@all" if self.future else b"-@all", *self.rules])

    def describe_keys(self) -> bytes:
        if self.all_keys:
            return b"~*"
        marks = {READ: b"%R~", WRITE: b"%W~", READ | WRITE: b"~"}
        return b" ".join(marks[access] + pattern for pattern, access in self.keys.items())

    def describe_channels(self) -> bytes:
        return b"&*" if self.all_channels else b" ".join(b"&" + pattern for pattern in self.channels)

    def describe(self) -> bytes:
        keys, channels = self.describe_keys(), self.describe_channels()
        parts = [keys] if keys else []
        if not self.all_channels:
            parts.append(b"resetchannels")
        if channels:
            parts.append(channels)
        return b" ".join([*parts, self.describe_commands()])


@dataclass(frozen=True, slots=True)
class User:
    name: bytes
    enabled: bool = False
    no_password: bool = False
    sanitize: bool = True
    passwords: tuple[bytes, ...] = ()
    """SHA-256, hex."""
    selectors: tuple[Selector, ...] = field(default_factory=lambda: (Selector(),))
    """The root selector first."""

    @property
    def root(self) -> Selector:
        return self.selectors[0]

    @property
    def unrestricted(self) -> bool:
        """Whatever is asked, the answer is yes."""
        root = self.root
        return root.all_commands and root.all_keys and root.all_channels

    @property
    def open(self) -> bool:
        """No password is needed."""
        return self.enabled and self.no_password

    def admits(self, password: bytes) -> bool:
        return self.enabled and (self.no_password or hash_password(password) in self.passwords)

    def flags(self) -> list[bytes]:
        return [
            b"on" if self.enabled else b"off",
            *([b"nopass"] if self.no_password else []),
            b"sanitize-payload" if self.sanitize else b"skip-sanitize-payload",
        ]

    def describe(self) -> bytes:
        """The line of ACL LIST."""
        selectors = [b"(%b)" % selector.describe() for selector in self.selectors[1:]]
        passwords = [b"#" + one for one in self.passwords]
        return b" ".join([b"user", self.name, *self.flags(), *passwords, self.root.describe(), *selectors])

    def changed(self, words: Sequence[bytes]) -> User:
        """This user after these rules (`merge_selectors` has joined those in parentheses); RuleError."""
        user = replace(self, selectors=tuple(selector.copy() for selector in self.selectors))
        for word in words:
            user = user._after(word)
        return user

    def _after(self, word: bytes) -> User:
        match word.lower():
            case b"":
                return self
            case b"on" | b"off":
                return replace(self, enabled=word.lower() == b"on")
            case b"nopass":
                return replace(self, no_password=True, passwords=())
            case b"resetpass":
                return replace(self, no_password=False, passwords=())
            case b"sanitize-payload" | b"skip-sanitize-payload":
                return replace(self, sanitize=word[:2].lower() != b"sk")
            case b"clearselectors":
                return replace(self, selectors=self.selectors[:1])
            case b"reset":
                return User(self.name)
        mark, rest = word[:1], word[1:]
        if mark in (b">", b"#"):
            if mark == b"#" and not _HASH(rest):
                raise RuleError(word, BAD_HASH)
            digest = rest if mark == b"#" else hash_password(rest)
            passwords = self.passwords if digest in self.passwords else (*self.passwords, digest)
            return replace(self, no_password=False, passwords=passwords)
        if mark in (b"<", b"!"):
            if mark == b"!" and not _HASH(rest):
                raise RuleError(word, BAD_HASH)
            digest = rest if mark == b"!" else hash_password(rest)
            if digest not in self.passwords:
                raise RuleError(word, NO_SUCH_PASSWORD)
            return replace(self, passwords=tuple(one for one in self.passwords if one != digest))
        if mark == b"(" and word.endswith(b")"):
            return replace(self, selectors=(*self.selectors, _selector(word)))
        self.root.apply(word)
        return self


def _selector(word: bytes) -> Selector:
    selector = Selector()
    rules = split_words(word[1:-1])
    if rules is None:
        raise RuleError(word, SYNTAX)
    for rule in rules:
        try:
            selector.apply(rule)
        except RuleError as error:
            raise RuleError(word, error.reason) from None
    return selector


class UnmatchedParenthesis(Exception):
    def __init__(self, word: bytes) -> None:
        super().__init__(word)
        self.word = word


def merge_selectors(words: Sequence[bytes]) -> list[bytes]:
    """Join the words between an opening and a closing parenthesis; UnmatchedParenthesis."""
    merged: list[bytes] = []
    open_words: list[bytes] = []
    for word in words:
        if open_words:
            open_words.append(word)
            if word.endswith(b")"):
                merged.append(b" ".join(open_words))
                open_words = []
        elif word.startswith(b"(") and not word.endswith(b")"):
            open_words = [word]
        else:
            merged.append(word)
    if open_words:
        raise UnmatchedParenthesis(open_words[0])
    return merged
