from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.dynamodb_api.operations.test_create_table import PLAIN
from tests.kit.dynamo_door import DynamoDoor


def test_limits(dynamodb: Any) -> None:
    limits = dynamodb.describe_limits()
    assert limits["AccountMaxReadCapacityUnits"] == 80000
    assert limits["TableMaxWriteCapacityUnits"] == 40000


def test_endpoints_are_where_the_client_asked(door: DynamoDoor, dynamodb: Any) -> None:
    (one,) = dynamodb.describe_endpoints()["Endpoints"]
    assert one == {"Address": f"127.0.0.1:{door.server.port}", "CachePeriodInMinutes": 1440}


def test_there_are_no_continuous_backups(dynamodb: Any) -> None:
    with pytest.raises(ClientError, match="TableNotFoundException"):
        dynamodb.describe_continuous_backups(TableName="abc")
    dynamodb.create_table(**PLAIN)
    said = dynamodb.describe_continuous_backups(TableName="abc")["ContinuousBackupsDescription"]
    assert said["ContinuousBackupsStatus"] == "DISABLED"
    assert said["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    off = {"PointInTimeRecoveryEnabled": False}
    switched = dynamodb.update_continuous_backups(TableName="abc", PointInTimeRecoverySpecification=off)
    assert switched["ContinuousBackupsDescription"] == said
    with pytest.raises(ClientError, match="Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery"):
        dynamodb.update_continuous_backups(
            TableName="abc", PointInTimeRecoverySpecification=off | {"RecoveryPeriodInDays": 7}
        )
    on = {"PointInTimeRecoveryEnabled": True}
    with pytest.raises(ClientError, match="ContinuousBackupsUnavailableException"):
        dynamodb.update_continuous_backups(TableName="abc", PointInTimeRecoverySpecification=on)
    with pytest.raises(ClientError, match="TableNotFoundException"):
        dynamodb.update_continuous_backups(TableName="none", PointInTimeRecoverySpecification=off)
    assert dynamodb.list_backups(TableName="abc")["BackupSummaries"] == []
    assert dynamodb.list_backups(TimeRangeLowerBound=1, TimeRangeUpperBound=1)["BackupSummaries"] == []
    with pytest.raises(ClientError, match="Time range lower bound must be less than or equal to upper bound"):
        dynamodb.list_backups(TimeRangeLowerBound=2, TimeRangeUpperBound=1)
    with pytest.raises(ClientError, match="UnknownOperationException"):
        dynamodb.create_backup(TableName="abc", BackupName="one")


def test_there_are_no_policies_and_no_kinesis_destinations(dynamodb: Any) -> None:
    arn = dynamodb.create_table(**PLAIN)["TableDescription"]["TableArn"]
    with pytest.raises(ClientError, match="PolicyNotFoundException"):
        dynamodb.get_resource_policy(ResourceArn=arn)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dynamodb.get_resource_policy(ResourceArn=f"{arn}x")
    with pytest.raises(ClientError, match="UnknownOperationException"):
        dynamodb.put_resource_policy(ResourceArn=arn, Policy="{}")
    kinesis = dynamodb.describe_kinesis_streaming_destination(TableName="abc")
    assert (kinesis["TableName"], kinesis["KinesisDataStreamDestinations"]) == ("abc", [])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dynamodb.describe_kinesis_streaming_destination(TableName="none")
