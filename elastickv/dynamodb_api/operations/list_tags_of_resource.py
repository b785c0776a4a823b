"""ListTagsOfResource."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.arns import tagged_table
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import Shape, String, required


@operation(
    "ListTagsOfResource",
    shape=Shape(ResourceArn=required(String(min=1, max=1283)), NextToken=String()),
    write=False,
)
def list_tags_of_resource(call: Call) -> dict[str, Any]:
    """A table's tags; there are at most 50, so one page holds them all."""
    tags = tagged_table(call, "ListTagsOfResource").raw["Tags"]
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
