"""What key conditions mean, for models of tables and indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda key, bound: key == bound,
    "<": lambda key, bound: key < bound,
    "<=": lambda key, bound: key <= bound,
    ">": lambda key, bound: key > bound,
    ">=": lambda key, bound: key >= bound,
    "begins_with": lambda key, bound: key.startswith(bound),
}
