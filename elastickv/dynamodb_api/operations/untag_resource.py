"""UntagResource."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.arns import tagged_table
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ListOf, Shape, String, required


@operation(
    "UntagResource", shape=Shape(ResourceArn=required(String(min=1, max=1283)), TagKeys=required(ListOf(String())))
)
def untag_resource(call: Call) -> dict[str, Any]:
    """Take tags off a table; those that it does not have do not matter."""
    keys = call.request["TagKeys"]
    table = tagged_table(call, "UntagResource")
    if not keys:
        raise ValidationException("Atleast one Tag Key needs to be provided as Input.")
    for key in keys:
        if not 1 <= len(key) <= 128:
            raise ValidationException(f"The Tag Key provided is invalid, Key: {key}")
    left = {key: value for key, value in table.raw["Tags"].items() if key not in keys}
    tables.save(call.view, {**table.raw, "Tags": left})
    return {}
