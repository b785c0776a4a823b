"""Update expressions against a plain model: Python values, one action after another on a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api import attributes
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import resolve
from elastickv.dynamodb_api.expressions.update import NO_SUCH_PATH, WRONG_TYPE, apply_update

Plain = Any
"""str, Decimal, bool, None, list, dict, or a frozenset of texts."""


def wire(value: Plain) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, Decimal):
        return {"N": str(value)}
    if isinstance(value, frozenset):
        return {"SS": sorted(value)}
    if isinstance(value, list):
        return {"L": [wire(one) for one in value]}
    return {"M": {name: wire(one) for name, one in value.items()}}


names = st.sampled_from("pqrs")
sets = st.frozensets(st.sampled_from("xyz"), min_size=1)
leaves = st.one_of(st.text("ab", max_size=2), st.integers(-9, 9).map(Decimal), st.booleans(), st.none(), sets)
plain = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
documents = st.dictionaries(names, plain, max_size=4)


@st.composite
def paths(draw: st.DrawFn) -> list[str | int]:
    return [draw(names), *draw(st.lists(names | st.integers(0, 4), max_size=2))]


def text_of(path: list[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]


actions = st.one_of(
    st.tuples(st.just("SET"), paths(), plain),
    st.tuples(st.just("REMOVE"), paths(), st.none()),
    st.tuples(st.just("ADD"), paths(), sets | st.integers(-9, 9).map(Decimal)),
    st.tuples(st.just("DELETE"), paths(), sets),
)


class Refused(Exception):
    pass


def holder_of(document: dict[str, Plain], path: list[str | int]) -> Plain:
    place: Any = document
    step: Any
    for step in path[:-1]:
        try:
            place = place[step] if isinstance(place, list if isinstance(step, int) else dict) else None
        except (KeyError, IndexError):
            place = None
    if not isinstance(place, list if isinstance(path[-1], int) else dict):
        raise Refused(NO_SUCH_PATH)
    return place


_HOLE = object()


def model(document: dict[str, Plain], wanted: list[tuple[str, list[str | int], Plain]]) -> dict[str, Plain]:
    """What the actions make of the document, or Refused."""
    new = copy.deepcopy(document)
    grown: dict[int, tuple[list[Plain], dict[int, Plain]]] = {}
    lists: list[list[Plain]] = []
    for kind, path, value in wanted:
        holder, step = holder_of(new, path), path[-1]
        there: Any
        if isinstance(holder, list):
            lists.append(holder)
            there = holder[step] if isinstance(step, int) and step < len(holder) else _HOLE
        else:
            there = holder.get(step, _HOLE)
        if kind == "ADD":
            if there is _HOLE:
                there = frozenset() if isinstance(value, frozenset) else Decimal(0)
            if type(there) is not type(value):
                raise Refused(WRONG_TYPE)
            value = there | value if isinstance(value, frozenset) else there + value
        elif kind == "DELETE":
            if there is not _HOLE and type(there) is not type(value):
                raise Refused(WRONG_TYPE)
            value = there - value if there is not _HOLE else _HOLE
        if kind == "REMOVE" or (kind == "DELETE" and not value) or value is _HOLE:
            value = _HOLE
        if isinstance(holder, list):
            assert isinstance(step, int)
            if step < len(holder):
                holder[step] = value
            elif value is not _HOLE:
                grown.setdefault(id(holder), (holder, {}))[1][step] = value
        elif value is _HOLE:
            holder.pop(step, None)
        else:
            holder[step] = value
    for holder, more in grown.values():
        holder.extend(more[index] for index in sorted(more))
    for holder in lists:
        holder[:] = [one for one in holder if one is not _HOLE]
    return new


@given(documents, st.lists(actions, min_size=1, max_size=4))
def test_updates_do_what_the_model_does(document: dict[str, Plain], wanted: list[tuple[Any, ...]]) -> None:
    wanted.sort(key=lambda action: ("SET", "REMOVE", "ADD", "DELETE").index(action[0]))
    values = {f":v{number}": wire(action[2]) for number, action in enumerate(wanted) if action[0] != "REMOVE"}
    words: list[str] = []
    for number, (kind, path, _) in enumerate(wanted):
        same = number and wanted[number - 1][0] == kind
        words.append("," if same else kind)
        reference = {"SET": f"= :v{number}", "REMOVE": ""}.get(kind, f":v{number}")
        words.append(f"{text_of(path)} {reference}")
    old = {name: wire(value) for name, value in document.items()}
    new = copy.deepcopy(old)
    untouched = copy.deepcopy(old)
    answer = outcome(lambda: apply_update(resolve.update(" ".join(words), None, values).tree, old, new, values))
    assert old == untouched
    if "Two document paths" in answer:
        return
    expected: list[dict[str, Plain]] = []
    assert answer == outcome(lambda: expected.append(model(document, wanted)))
    if not answer:
        assert attributes.equal({"M": new}, wire(expected[0]))


def outcome(run: Callable[[], object]) -> str:
    """Why it was refused, or ""."""
    try:
        run()
    except (Refused, ValidationException) as error:
        return str(error.args[0])
    return ""


def test_nesting_has_an_end() -> None:
    deep: dict[str, Any] = {"S": "x"}
    for _ in range(30):
        deep = {"M": {"m": deep}}
    old: dict[str, Any] = {"a": {"M": {"b": {"M": {}}}}}
    values = {":v": deep}
    prepared = resolve.update("SET a.c = :v", None, values)
    apply_update(prepared.tree, old, copy.deepcopy(old), values)
    prepared = resolve.update("SET a.b.c = :v", None, values)
    with pytest.raises(ValidationException, match="Nesting Levels have exceeded supported limits"):
        apply_update(prepared.tree, old, copy.deepcopy(old), values)
