"""The state machine: a small map with the operations of the checker's register, and their bytes in a log entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from elastickv.drill.history import Value
from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, ConfState, SnapshotMeta, Transition

_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Command:
    """`id` is unique in a run, so an entry that takes effect twice is seen."""

    id: int
    kind: str
    key: str
    value: str = ""
    expected: str | None = None

    def encode(self) -> bytes:
        return _SEPARATOR.join(
            (str(self.id), self.kind, self.key, self.value, "-" if self.expected is None else "=" + self.expected)
        ).encode()

    @staticmethod
    def decode(data: bytes) -> Command:
        number, kind, key, value, expected = data.decode().split(_SEPARATOR)
        return Command(int(number), kind, key, value, None if expected == "-" else expected[1:])

    @property
    def argument(self) -> Value:
        """In the words of the checker."""
        match self.kind:
            case "set":
                return self.value
            case "cas":
                return (self.expected, self.value)
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Image:
    """The whole state as of one entry: what a flush makes durable and what a snapshot carries."""

    meta: SnapshotMeta
    values: Mapping[str, str]


EMPTY_IMAGE = Image(SnapshotMeta(), {})


class Machine:
    """Applies commands in order. Knows how far it is, and the configuration as of there."""

    def __init__(self, image: Image) -> None:
        self.install(image)

    def install(self, image: Image) -> None:
        self.values = dict(image.values)
        self.applied = image.meta.index
        self.applied_term = image.meta.term
        self.conf_state = image.meta.conf_state

    def image(self) -> Image:
        return Image(SnapshotMeta(self.applied, self.applied_term, self.conf_state), dict(self.values))

    def apply(self, command: Command) -> Value:
        """The result, as the checker's register would give it."""
        values, key = self.values, command.key
        match command.kind:
            case "set":
                values[key] = command.value
                return None
            case "cas":
                if values.get(key) != command.expected:
                    return False
                values[key] = command.value
                return True
            case "delete":
                return values.pop(key, None) is not None
            case _:
                raise ValueError(command.kind)

    def set_configuration(self, conf_state: ConfState) -> None:
        self.conf_state = conf_state


def encode_change(change: ConfChange) -> bytes:
    """b"" means: leave the joint configuration, as in `EntryKind.CONFIG`."""
    if not change.steps:
        return b""
    steps = [[int(step.kind), step.node, step.address, step.instance] for step in change.steps]
    return json.dumps([int(change.transition), steps]).encode()


def decode_change(data: bytes) -> ConfChange:
    if not data:
        return ConfChange()
    transition, steps = json.loads(data)
    return ConfChange(
        tuple(ConfChangeStep(ConfChangeKind(kind), node, address, instance) for kind, node, address, instance in steps),
        Transition(transition),
    )
