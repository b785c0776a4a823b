"""TagResource."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.arns import tagged_table
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schemas import TAGS, merged_tags
from elastickv.dynamodb_api.shapes import Shape, String, required


@operation("TagResource", shape=Shape(ResourceArn=required(String(min=1, max=1283)), Tags=required(TAGS)))
def tag_resource(call: Call) -> dict[str, Any]:
    """Add tags to a table, or change their values."""
    tags = call.request["Tags"]
    table = tagged_table(call, "TagResource")
    if not tags:
        raise ValidationException("Atleast one Tag needs to be provided as Input.")
    tables.save(call.view, {**table.raw, "Tags": merged_tags(table.raw["Tags"], tags)})
    return {}
