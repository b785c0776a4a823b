from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.dynamodb_api.operations.test_create_table import PLAIN
from tests.kit.dynamo_door import DynamoDoor


def specification(enabled: bool, name: str = "until") -> dict[str, Any]:
    return {"TableName": "abc", "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": name}}


def test_on_and_off(dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    assert dynamodb.describe_time_to_live(TableName="abc")["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    answered = dynamodb.update_time_to_live(**specification(True))["TimeToLiveSpecification"]
    assert answered == {"Enabled": True, "AttributeName": "until"}
    assert dynamodb.describe_time_to_live(TableName="abc")["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "until",
    }
    for asked, message in (
        (specification(True), "TimeToLive is already enabled"),
        (
            specification(True, "other"),
            "TimeToLive is active on a different AttributeName: current AttributeName is until",
        ),
        (
            specification(False, "other"),
            "TimeToLive is active on a different AttributeName: current AttributeName is until",
        ),
    ):
        with pytest.raises(ClientError) as caught:
            dynamodb.update_time_to_live(**asked)
        assert caught.value.response["Error"] == {"Code": "ValidationException", "Message": message}
    dynamodb.update_time_to_live(**specification(False))
    with pytest.raises(ClientError, match="TimeToLive is already disabled"):
        dynamodb.update_time_to_live(**specification(False))


def test_a_table_that_is_not_there(dynamodb: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dynamodb.describe_time_to_live(TableName="abc")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dynamodb.update_time_to_live(**specification(True))


def test_an_empty_specification_is_told_of_both_members(door: DynamoDoor) -> None:
    _, said = door.call("UpdateTimeToLive", {"TableName": "abc", "TimeToLiveSpecification": {}})
    assert said["message"] == (
        "2 validation errors detected: Value null at 'timeToLiveSpecification.attributeName' failed to satisfy "
        "constraint: Member must not be null; Value null at 'timeToLiveSpecification.enabled' failed to satisfy "
        "constraint: Member must not be null"
    )
