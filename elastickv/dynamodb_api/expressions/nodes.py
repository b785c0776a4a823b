"""The syntax tree of all expressions. Frozen, so that a cached tree can be shared by requests.

As the parser makes it, a path's steps are names as written (`#n` still a placeholder); behind `resolve` they are
attribute names. Values stay placeholders: they differ from request to request and are looked up when the tree is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Steps: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A document path: an attribute's name, then names of maps' members and numbers of lists' elements."""

    steps: Steps

    def __str__(self) -> str:
        return "[" + ", ".join(f"[{step}]" if isinstance(step, int) else step for step in self.steps) + "]"


@dataclass(frozen=True, slots=True)
class ValueRef:
    name: str
    """With its colon."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str
    """+ or -"""
    left: Operand
    right: Operand


Operand: TypeAlias = Path | ValueRef | Function | Arithmetic


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    """=, <>, <, <=, >, >="""
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class In:
    operand: Operand
    options: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """AND of two or more."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """OR of two or more."""

    conditions: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Between | In | Function | Not | Both | Either


@dataclass(frozen=True, slots=True)
class SetAction:
    path: Path
    value: Operand


@dataclass(frozen=True, slots=True)
class RemoveAction:
    path: Path


@dataclass(frozen=True, slots=True)
class AddAction:
    path: Path
    value: ValueRef


@dataclass(frozen=True, slots=True)
class DeleteAction:
    path: Path
    value: ValueRef


Action: TypeAlias = SetAction | RemoveAction | AddAction | DeleteAction


@dataclass(frozen=True, slots=True)
class Update:
    """Actions in the order in which they are written."""

    actions: tuple[Action, ...]
    sections: tuple[str, ...]
    """SET, REMOVE, ... as written; one that stands twice is reported by `resolve`."""


@dataclass(frozen=True, slots=True)
class Projection:
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ConditionTree:
    condition: Condition
    redundant_parentheses: bool
