"""Flags: declared once, as the fields of a settings dataclass, and read from a command line by Go's rules.

`flag()` is the one declaration of a setting. From it follow the field and its type, the command line, the environment
variable, the key in a file, `--help` and docs/flags.md. Nothing else in the project lists flags.

The rules are those of Go's `flag` package, because the command lines in use were written for it: one or two dashes,
`--flag value` or `--flag=value`, a boolean never takes the next argument, the last of repeated flags wins, and `--` or
the first word that is no flag ends them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from elastickv.config.kinds import FALSE_WORDS, TRUE_WORDS, Kind

T = TypeVar("T")

ENVIRONMENT_PREFIX = "ELASTICKV_"


class UsageError(Exception):
    """What the operator wrote cannot be obeyed. The text is one line: which setting, which value, what to do."""


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    kind: Kind[Any]
    default: str
    """As text, in the form in which an operator would write it."""
    help: str
    secret: bool
    field: str
    """Name of the field that the flag fills."""

    @property
    def environment(self) -> str:
        return ENVIRONMENT_PREFIX + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).upper()


def flag(name: str, kind: Kind[T], default: str, help: str, *, secret: bool = False) -> T:
    """A dataclass field that is set by the flag `name`. `secret` keeps its value out of repr()."""
    declared: T = field(
        default_factory=lambda: kind.parse(default),
        repr=not secret,
        metadata={"name": name, "kind": kind, "default": default, "help": help, "secret": secret},
    )
    return declared


def flags_of(room: type) -> tuple[Flag, ...]:
    """The flags that a settings dataclass declares, in order."""
    return tuple(Flag(**f.metadata, field=f.name) for f in fields(room) if "kind" in f.metadata)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What stood there: texts by flag name, not yet looked at; or the wish to be told something instead."""

    texts: Mapping[str, str]
    wanted: Literal["", "help", "version"] = ""


def read_command_line(arguments: Sequence[str], flags: Iterable[Flag]) -> CommandLine:
    known = {f.name: f for f in flags}
    texts: dict[str, str] = {}
    rest = list(arguments)
    last: Flag | None = None
    while rest:
        word = rest[0]
        if len(word) < 2 or word[0] != "-":
            break
        del rest[0]
        if word == "--":
            last = None
            break
        name, equals, text = word[2 if word.startswith("--") else 1 :].partition("=")
        if not name or name[0] == "-":
            raise UsageError(f"bad flag syntax: {word}")
        if name not in known:
            if name in ("h", "help"):
                return CommandLine(texts, "help")
            if name == "version":
                return CommandLine(texts, "version")
            raise UsageError(f"unknown flag --{name}{nearest(name, known)}; --help lists all flags")
        last = known[name]
        if not equals:
            if last.kind.boolean:
                text = "true"
            elif rest:
                text = rest.pop(0)
            else:
                raise UsageError(f"flag needs an argument: -{name}")
        texts[name] = text
    if rest:
        hint = ""
        if last is not None and last.kind.boolean and rest[0] in TRUE_WORDS | FALSE_WORDS:
            hint = f"; a boolean takes its value behind an equals sign: --{last.name}={rest[0]}"
        raise UsageError(f'unexpected argument "{rest[0]}"{hint}')
    return CommandLine(texts)


def nearest(name: str, known: Iterable[str], *, prefix: str = "--") -> str:
    """` (did you mean …?)` when something similar exists, else nothing."""
    by_lower = {k.lower(): k for k in known}
    similar = difflib.get_close_matches(name.lower().replace("-", "").replace("_", ""), by_lower, n=1, cutoff=0.7)
    return f" (did you mean {prefix}{by_lower[similar[0]]}?)" if similar else ""
