"""What a request that reads single items wants of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elastickv.dynamodb_api import records, schema
from elastickv.dynamodb_api.expressions.nodes import Path
from elastickv.dynamodb_api.expressions.paths import project
from elastickv.dynamodb_api.parameters import Expressions, check_attributes_to_get
from elastickv.dynamodb_api.tables import Table


class Projection:
    """ProjectionExpression, AttributesToGet, or the whole item."""

    __slots__ = ("nested", "paths")

    def __init__(self, request: Mapping[str, Any]) -> None:
        """Reads and checks both parameters and the placeholders. `check_styles` has come before."""
        names: Sequence[str] | None = request.get("AttributesToGet")
        check_attributes_to_get(names)
        self.nested: set[str] = set()
        self.paths: Sequence[Path] | None = None
        if names is not None:
            self.paths = [Path((name,)) for name in names]
        elif "ProjectionExpression" in request or "ExpressionAttributeNames" in request:
            expressions = Expressions(request)
            prepared = expressions.projection()
            expressions.finish()
            if prepared is not None:
                self.paths = prepared.tree.paths
                self.nested = prepared.nested_heads

    def check_keys(self, table: Table) -> None:
        schema.check_nested_keys(table, self.nested)

    def of(self, record: bytes) -> Any:
        """The item, or what is wanted of it, for an answer."""
        if self.paths is None:
            return records.fragment(record)
        return project(records.decode(record), self.paths)
