from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb_api.operations.test_create_table import PLAIN
from tests.kit.dynamo_door import DynamoDoor

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/abc"


def tags(dynamodb: Any) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in dynamodb.list_tags_of_resource(ResourceArn=ARN)["Tags"]}


def test_tags_come_change_and_go(dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    assert tags(dynamodb) == {}
    dynamodb.tag_resource(ResourceArn=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    dynamodb.tag_resource(ResourceArn=ARN.replace("us-east-1", "eu-west-1"), Tags=[{"Key": "a", "Value": "2"}])
    assert tags(dynamodb) == {"a": "2", "b": ""}
    dynamodb.untag_resource(ResourceArn=ARN, TagKeys=["a", "nothing"])
    assert tags(dynamodb) == {"b": ""}


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("TagResource", {"Tags": [{"Key": "a", "Value": "1"}]}),
        ("UntagResource", {"TagKeys": ["a"]}),
        ("ListTagsOfResource", {}),
    ],
)
def test_resources_that_are_not_tables_of_ours(door: DynamoDoor, operation: str, more: dict[str, Any]) -> None:
    def said(arn: str) -> tuple[str, str]:
        _, answer = door.call(operation, {"ResourceArn": arn, **more})
        return answer["__type"].partition("#")[2], answer.get("message") or answer["Message"]

    assert said("not-an-arn") == (
        "ValidationException",
        "One or more parameter values were invalid: ARNs must start with 'arn:': not-an-arn",
    )
    assert said(f"{ARN}/index/one") == (
        "ValidationException",
        "One or more parameter values were invalid: Invalid resource arn provided, only table or stream is accepted. "
        f"Provided resource arn: {ARN}/index/one",
    )
    assert said(f"{ARN}/backup/0170") == (
        "ValidationException",
        f"One or more parameter values were invalid: Provided Arn is not a DynamoDB resource arn: {ARN}/backup/0170",
    )
    assert said("arn:nothing") == (
        "ValidationException",
        "Invalid TableArn: Invalid ResourceArn provided as input arn:nothing",
    )
    assert said(ARN) == ("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {ARN} not found")
    foreign = ARN.replace("123456789012", "000000000000")
    assert said(foreign) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:root is not authorized to perform: dynamodb:{operation} on resource: "
        f"{foreign}",
    )


@pytest.mark.parametrize(
    ("operation", "more", "message"),
    [
        ("TagResource", {"Tags": []}, "Atleast one Tag needs to be provided as Input."),
        ("UntagResource", {"TagKeys": []}, "Atleast one Tag Key needs to be provided as Input."),
        ("TagResource", {"Tags": [{"Key": "", "Value": ""}]}, "The Tag Key provided is invalid, Key: "),
        (
            "TagResource",
            {"Tags": [{"Key": "aws:a", "Value": ""}]},
            "Tag Key cannot be prefixed with aws:, Key: aws:a",
        ),
        (
            "TagResource",
            {"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]},
            "Number of Tags exceed the current limit for the provided ResourceArn",
        ),
    ],
)
def test_what_is_refused(door: DynamoDoor, dynamodb: Any, operation: str, more: dict[str, Any], message: str) -> None:
    dynamodb.create_table(**PLAIN)
    status, said = door.call(operation, {"ResourceArn": ARN, **more})
    assert (status, said["message"]) == (400, message)
