"""Document paths in an item: look one up, and keep only what a projection names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from elastickv.dynamodb_api.attributes import Item, Value
from elastickv.dynamodb_api.expressions.nodes import Path, Steps


def lookup(item: Mapping[Any, Value], steps: Steps) -> Value | None:
    """The value at the path; None where the item has none."""
    value = item.get(steps[0])
    for step in steps[1:]:
        if value is None:
            return None
        value = child(value, step)
    found: Value | None = value
    return found


def child(value: Value, step: str | int) -> Value | None:
    """A member of a map or an element of a list."""
    if isinstance(step, int):
        elements: list[Value] = value.get("L", ())
        return elements[step] if step < len(elements) else None
    members: dict[str, Value] = value.get("M", {})
    return members.get(step)


class _Elements(dict[int, Any]):
    """Chosen elements of a list while a projection is put together."""


def project(item: Mapping[Any, Value], paths: Iterable[Path]) -> Item:
    """What the paths name, in the item's own structure. Chosen elements of a list move together, in the list's
    order."""
    kept: dict[Any, Value] = {}
    lists: list[tuple[Value, _Elements]] = []
    for path in paths:
        steps = path.steps
        if len(steps) == 1:
            value = item.get(steps[0])
            if value is not None:
                kept[steps[0]] = value
            continue
        value = lookup(item, steps)
        if value is None:
            continue
        place: Any = kept
        for number, step in enumerate(steps[:-1]):
            following = steps[number + 1]
            holder = place.get(step)
            if holder is None:
                if isinstance(following, int):
                    elements = _Elements()
                    holder = {"L": elements}
                    lists.append((holder, elements))
                else:
                    holder = {"M": {}}
                place[step] = holder
            place = holder["L" if isinstance(following, int) else "M"]
        place[steps[-1]] = value
    for holder, elements in lists:
        holder["L"] = [elements[index] for index in sorted(elements)]
    return kept
