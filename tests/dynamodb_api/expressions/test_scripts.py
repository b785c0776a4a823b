"""Golden scripts: expression text -> tree, or the error in AWS' words.

Commands are `condition`, `key`, `update` and `projection`, then the text. Names: #a, #b, #c, #d, #three stand for a,
b, c, d and the odd name "[3]"; values: :s, :n, :b, :bool, :null, :ss, :ns, :bs, :l, :m are of those types, :type is
the text SS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import resolve
from elastickv.dynamodb_api.expressions.nodes import (
    Arithmetic,
    Between,
    Both,
    Comparison,
    Either,
    Function,
    In,
    Not,
    Projection,
    RemoveAction,
    Update,
    ValueRef,
)
from elastickv.dynamodb_api.expressions.nodes import (
    Path as DocumentPath,
)
from tests.kit.scripts import run_script

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))

NAMES = {"#a": "a", "#b": "b", "#c": "c", "#d": "d", "#three": "[3]"}
VALUES: dict[str, dict[str, Any]] = {
    ":s": {"S": "s"},
    ":t": {"S": "a"},
    ":n": {"N": "1"},
    ":b": {"B": "YQ=="},
    ":bool": {"BOOL": True},
    ":null": {"NULL": True},
    ":ss": {"SS": ["a"]},
    ":ns": {"NS": ["1"]},
    ":bs": {"BS": ["YQ=="]},
    ":l": {"L": [{"N": "1"}]},
    ":m": {"M": {"a": {"N": "1"}}},
    ":type": {"S": "SS"},
}


def show(node: Any) -> str:
    if isinstance(node, DocumentPath):
        return str(node)
    if isinstance(node, ValueRef):
        return node.name
    if isinstance(node, Function):
        return f"({' '.join([node.name, *map(show, node.arguments)])})"
    if isinstance(node, Arithmetic | Comparison):
        return f"({node.operator} {show(node.left)} {show(node.right)})"
    if isinstance(node, Between):
        return f"(between {show(node.operand)} {show(node.low)} {show(node.high)})"
    if isinstance(node, In):
        return f"({' '.join(['in', show(node.operand), *map(show, node.options)])})"
    if isinstance(node, Not):
        return f"(not {show(node.condition)})"
    if isinstance(node, Both | Either):
        return f"({' '.join(['and' if isinstance(node, Both) else 'or', *map(show, node.conditions)])})"
    if isinstance(node, Update):
        return "\n".join(map(show, node.actions))
    if isinstance(node, Projection):
        return " ".join(map(show, node.paths))
    word = type(node).__name__.removesuffix("Action").lower()
    return f"{word} {show(node.path)}" + ("" if isinstance(node, RemoveAction) else f" {show(node.value)}")


def execute(line: str) -> str:
    command, _, text = line.partition(" ")
    try:
        if command == "update":
            return show(resolve.update(text, NAMES, VALUES).tree)
        if command == "projection":
            return show(resolve.projection(text, NAMES).tree)
        kind = {"condition": "ConditionExpression", "key": "KeyConditionExpression"}[command]
        return show(resolve.condition(text, NAMES, VALUES, kind).tree)
    except ValidationException as error:
        return f"! {error.message}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    run_script(path, execute)


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 3
