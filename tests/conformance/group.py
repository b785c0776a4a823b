"""What a group of commands contributes to the comparison with redis-server; one module per group has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.conformance.words import Words

Maker = Callable[[Random], Words]
"""Makes one random command."""
Normaliser = Callable[[Words, object], object]
"""From a command and its decoded reply (never an error) to what must be the same on both servers."""


@dataclass(frozen=True, slots=True)
class Group:
    makers: tuple[Maker, ...]
    """A maker that stands there twice comes twice as often."""
    questions: tuple[bytes, ...] = ()
    """Asked about each key in the end: the words of a command, blank between them; the key stands where KEY does, else
    at the end."""
    normalisers: Mapping[bytes, Normaliser] = field(default_factory=dict)
    """By the command's name in upper case, for replies that two right servers may give differently."""
    excused: Callable[[Words, bytes, bytes], bool] | None = None
    """(command, our reply, theirs) to: a known difference between the reference (7.0) and 7.2, which we follow."""
    correctives: Mapping[bytes, Words] = field(default_factory=dict)
    """By a command's name in upper case, what the reference alone executes just before it, to be in its right mind."""
    whole: frozenset[bytes] = frozenset()
    """Commands that are never cut short, because then they would draw lots for what is stored afterwards."""
    small: Mapping[str, int] = field(default_factory=dict)
    """CONFIG parameters, set low in half of the plays so that few elements make a large collection."""


def shuffled(_: Words, reply: object) -> object:
    """The elements of an array, whatever their order."""
    return sorted(reply, key=repr) if isinstance(reply, list) else reply


def how_many(_: Words, reply: object) -> object:
    """Only how many elements there are: for replies that are drawn at random."""
    return len(reply) if isinstance(reply, list) else reply is None
