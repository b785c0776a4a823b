from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.dynamodb_api.operations.test_create_table import INVALID, PLAIN, PROVISIONED, UNITS, definitions, index
from tests.kit.dynamo_door import DynamoDoor

MORE = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 3}


def refused(door: DynamoDoor, request: dict[str, Any]) -> tuple[str, str]:
    status, said = door.call("UpdateTable", {"TableName": "abc", **request})
    assert status == 400
    return said["__type"].partition("#")[2], said["message"]


def test_throughput(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PROVISIONED)
    answered = dynamodb.update_table(TableName="abc", ProvisionedThroughput=MORE)["TableDescription"]
    assert answered["TableStatus"] == "UPDATING"
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    noted = table["ProvisionedThroughput"]
    assert {key: noted[key] for key in MORE} == MORE
    assert noted["NumberOfDecreasesToday"] == 1
    assert "LastIncreaseDateTime" in noted
    assert "LastDecreaseDateTime" in noted
    assert refused(door, {"ProvisionedThroughput": MORE}) == (
        "ValidationException",
        "The provisioned throughput for the table will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for the table: 7. Requested ReadCapacityUnits: 7. "
        "Current WriteCapacityUnits provisioned for the table: 3. Requested WriteCapacityUnits: 3. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
    )


def test_billing_there_and_back(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PROVISIONED, GlobalSecondaryIndexes=[index("one", "a", ProvisionedThroughput=UNITS)])
    dynamodb.update_table(TableName="abc", BillingMode="PAY_PER_REQUEST")
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    dynamodb.update_table(TableName="abc", BillingMode="PAY_PER_REQUEST")
    assert refused(door, {"BillingMode": "PROVISIONED"}) == (
        "ValidationException",
        f"{INVALID}ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
    )
    assert refused(door, {"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS}) == (
        "ValidationException",
        f"{INVALID}ProvisionedThroughput must be specified for index: one",
    )
    dynamodb.update_table(
        TableName="abc",
        BillingMode="PROVISIONED",
        ProvisionedThroughput=UNITS,
        GlobalSecondaryIndexUpdates=[{"Update": {"IndexName": "one", "ProvisionedThroughput": MORE}}],
    )
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 3


def test_class_limits_and_encryption(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    encryption = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "alias/mine"}
    dynamodb.update_table(TableName="abc", TableClass="STANDARD_INFREQUENT_ACCESS")
    dynamodb.update_table(TableName="abc", OnDemandThroughput={"MaxReadRequestUnits": 20})
    dynamodb.update_table(TableName="abc", SSESpecification=encryption)
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 20}
    own = table["SSEDescription"]["KMSMasterKeyArn"]
    assert own.endswith(":alias/mine")
    assert refused(door, {"SSESpecification": {**encryption, "KMSMasterKeyId": own}}) == (
        "ValidationException",
        f"{INVALID}Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to "
        "change Master Key",
    )
    dynamodb.update_table(TableName="abc", SSESpecification=encryption)
    dynamodb.update_table(TableName="abc", SSESpecification={"Enabled": False})
    assert "SSEDescription" not in dynamodb.describe_table(TableName="abc")["Table"]
    assert refused(door, {"SSESpecification": {"Enabled": False}})[1].endswith("Table is already encrypted by default")


def test_a_stream_is_switched_on_and_off(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    on = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
    off = {"StreamSpecification": {"StreamEnabled": False}}
    assert refused(door, off)[1] == "Table has no stream to disable: TableName: abc"
    dynamodb.update_table(TableName="abc", **on)
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["StreamSpecification"] == on["StreamSpecification"]
    assert refused(door, on)[1] == "Table already has an enabled stream: TableName: abc"
    dynamodb.update_table(TableName="abc", **off)
    after = dynamodb.describe_table(TableName="abc")["Table"]
    assert "StreamSpecification" not in after
    assert after["LatestStreamArn"] == table["LatestStreamArn"]
    dynamodb.update_table(TableName="abc", **on)
    assert dynamodb.describe_table(TableName="abc")["Table"]["LatestStreamArn"] != table["LatestStreamArn"]


def test_indexes_come_and_go(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    dynamodb.update_table(
        TableName="abc",
        AttributeDefinitions=definitions("b", "a"),
        GlobalSecondaryIndexUpdates=[{"Create": index("one", "b", "a")}],
    )
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert [(one["IndexName"], one["IndexStatus"]) for one in table["GlobalSecondaryIndexes"]] == [("one", "ACTIVE")]
    assert table["AttributeDefinitions"] == definitions("a", "b")
    assert refused(door, {"GlobalSecondaryIndexUpdates": [{"Create": index("one", "a")}]}) == (
        "ValidationException",
        "Attempting to create an index which already exists",
    )
    dynamodb.update_table(TableName="abc", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "one"}}])
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert "GlobalSecondaryIndexes" not in table
    assert table["AttributeDefinitions"] == definitions("a")
    assert refused(door, {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "one"}}]}) == (
        "ResourceNotFoundException",
        "Requested resource not found: Index one for table abc",
    )


def test_an_index_with_a_key_of_several_attributes(dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    schema = [
        {"AttributeName": name, "KeyType": kind}
        for name, kind in zip("bcda", ["HASH"] * 2 + ["RANGE"] * 2, strict=True)
    ]
    dynamodb.update_table(
        TableName="abc",
        AttributeDefinitions=definitions("d", "c", "b", "a"),
        GlobalSecondaryIndexUpdates=[{"Create": index("one", KeySchema=schema)}],
    )
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["AttributeDefinitions"] == definitions("a", "b", "c", "d")
    assert table["GlobalSecondaryIndexes"][0]["KeySchema"] == schema
    dynamodb.update_table(TableName="abc", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "one"}}])
    assert dynamodb.describe_table(TableName="abc")["Table"]["AttributeDefinitions"] == definitions("a")


NOTHING_ASKED = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "
    "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, "
    "DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
)
ENCRYPTED = {"SSESpecification": {"Enabled": True}}
PROTECTED = {"DeletionProtectionEnabled": True}
CLASS = {"TableClass": "STANDARD"}
WARM = {"WarmThroughput": {"ReadUnitsPerSecond": 13_000}}
LIMITED = {"OnDemandThroughput": {"MaxReadRequestUnits": 5}}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"AttributeDefinitions": definitions("a")}, NOTHING_ASKED),
        ({"GlobalSecondaryIndexUpdates": [], **PROTECTED}, f"{INVALID}List of GlobalSecondaryIndexUpdates is empty"),
        (
            ENCRYPTED | PROTECTED,
            f"{INVALID}Server-Side Encryption modification must be the only operation in the request",
        ),
        (PROTECTED | CLASS, f"{INVALID}DeletionProtection modification must be the only operation in the request"),
        (
            PROTECTED | {"BillingMode": "PAY_PER_REQUEST"},
            f"{INVALID}DeletionProtection modification must be the only operation in the request",
        ),
        (CLASS | LIMITED, f"{INVALID}TableClass modification must be the only operation in the request"),
        (WARM | LIMITED, f"{INVALID}WarmThroughput must be the only operation in the request"),
        (
            WARM | {"GlobalSecondaryIndexUpdates": [{"Create": index("one", "a")}]},
            f"{INVALID}Create global secondary index cannot be specified when updating WarmThroughput",
        ),
        (
            LIMITED | {"StreamSpecification": {"StreamEnabled": False}},
            f"{INVALID}OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
        ),
        (
            {"WarmThroughput": {"ReadUnitsPerSecond": 11_999}},
            f"{INVALID}Requested ReadUnitsPerSecond for WarmThroughput for table is lower than current WarmThroughput, "
            "decreasing WarmThroughput is not supported",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "one", "WarmThroughput": {}}}]},
            f"{INVALID}WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified "
            "for index: one",
        ),
        (
            {"OnDemandThroughput": {"MaxWriteRequestUnits": 0}},
            f"{INVALID}Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range",
        ),
        (
            {},
            NOTHING_ASKED,
        ),
        (
            {"GlobalSecondaryIndexUpdates": []},
            NOTHING_ASKED,
        ),
        (
            {"ProvisionedThroughput": UNITS},
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": "FREE"},
            "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: "
            "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{}]},
            f"{INVALID}One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
            "GlobalSecondaryIndexUpdate.Delete must not be null",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "one"}, "Create": index("two", "a")}]},
            f"{INVALID}Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "one"}}, {"Create": index("one", "a")}]},
            f"{INVALID}Only one global secondary index update per index is allowed simultaneously. Index: one",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Create": index("one", "zz")}]},
            f"{INVALID}AttributeDefinitions is not specified for index: one",
        ),
        (
            # That the table defines the attribute does not count.
            {
                "AttributeDefinitions": definitions("b"),
                "GlobalSecondaryIndexUpdates": [{"Create": index("one", "b", "a")}],
            },
            f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. "
            "Keys: [b, a], AttributeDefinitions: [b]",
        ),
        (
            {
                "AttributeDefinitions": definitions("a"),
                "GlobalSecondaryIndexUpdates": [{"Create": index("one", "a", ProvisionedThroughput=UNITS)}],
            },
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: one when "
            "BillingMode is PAY_PER_REQUEST",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": True}},
            f"{INVALID}If stream is being enabled then UpdateViewType is required",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"}},
            f"{INVALID}If stream is being disabled, then UpdateViewType must not be specified",
        ),
        (
            {
                "StreamSpecification": {"StreamEnabled": False},
                "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "one"}}],
            },
            f"{INVALID}You cannot create or delete index while changing stream status",
        ),
        (
            {"ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]},
            f"{INVALID}ReplicaUpdates cannot be specified: there are no global tables",
        ),
        (
            {
                "AttributeDefinitions": definitions(*"bcdefg"),
                "GlobalSecondaryIndexUpdates": [{"Create": index("one", *"bcdefg")}],
            },
            f"{INVALID}The KeySchema exceeds the maximum allowed number of RANGE key attributes",
        ),
        (
            {
                "AttributeDefinitions": definitions("b"),
                "GlobalSecondaryIndexUpdates": [{"Create": index("one", "b", "c", "d")}],
            },
            f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: [b, c, d], "
            "AttributeDefinitions: [b]",
        ),
    ],
)
def test_what_is_refused(door: DynamoDoor, dynamodb: Any, request_: dict[str, Any], message: str) -> None:
    dynamodb.create_table(**PLAIN)
    assert refused(door, request_) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"VectorIndexUpdates": [{"Delete": {"IndexName": "near"}}]},
            f"{INVALID}VectorIndexUpdates cannot be specified: there are no vector indexes",
        ),
        (
            {"GlobalTableWitnessUpdates": [{"Create": {"RegionName": "eu-west-1"}}]},
            f"{INVALID}GlobalTableWitnessUpdates cannot be specified: there are no global tables",
        ),
        (
            PROTECTED | {"MultiRegionConsistency": "STRONG"},
            f"{INVALID}MultiRegionConsistency cannot be specified: there are no global tables",
        ),
        ({"MultiRegionConsistency": "STRONG"}, NOTHING_ASKED.replace("MultiRegionConsistency, ", "")),
        (
            {"DisassociationProtectionEnabled": True},
            f"{INVALID}DisassociationProtectionEnabled cannot be specified: there are no global tables",
        ),
        (
            {"GlobalTableSettingsReplicationMode": "ENABLED"},
            f"{INVALID}GlobalTableSettingsReplicationMode cannot be specified: there are no global tables",
        ),
        (
            {"GlobalTableSettingsReplicationMode": "ENABLED_WITH_OVERRIDES"},
            "Value 'ENABLED_WITH_OVERRIDES' at 'GlobalTableSettingsReplicationMode' failed to satisfy constraint: "
            "Only ENABLED and DISABLED settings replication are supported for a Regional Table.",
        ),
        (
            {"MultiRegionConsistency": "WEAK"},
            "1 validation error detected: Value 'WEAK' at 'multiRegionConsistency' failed to satisfy constraint: "
            "Member must satisfy enum value set: [EVENTUAL, STRONG]",
        ),
    ],
)
def test_what_there_is_none_of(door: DynamoDoor, dynamodb: Any, request_: dict[str, Any], message: str) -> None:
    dynamodb.create_table(**PLAIN)
    assert refused(door, request_) == ("ValidationException", message)
    dynamodb.update_table(TableName="abc", GlobalTableSettingsReplicationMode="DISABLED")


def test_a_new_index_is_not_being_filled_yet_when_it_is_answered(dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    answered = dynamodb.update_table(
        TableName="abc",
        AttributeDefinitions=definitions("a"),
        GlobalSecondaryIndexUpdates=[{"Create": index("one", "a")}],
    )["TableDescription"]
    (one,) = answered["GlobalSecondaryIndexes"]
    assert (one["IndexStatus"], one["Backfilling"]) == ("CREATING", False)
    assert "WarmThroughput" in one


def test_there_are_twenty_indexes_at_most(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN, GlobalSecondaryIndexes=[index(f"one{number}", "a") for number in range(20)])
    more = {
        "AttributeDefinitions": definitions("a"),
        "GlobalSecondaryIndexUpdates": [{"Create": index("more", "a")}],
    }
    assert refused(door, more) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of 20",
    )


def test_an_index_s_throughput_that_does_not_change(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PROVISIONED, GlobalSecondaryIndexes=[index("one", "a", ProvisionedThroughput=UNITS)])
    update = {"IndexName": "one", "ProvisionedThroughput": UNITS}
    assert refused(door, {"GlobalSecondaryIndexUpdates": [{"Update": update}]}) == (
        "ValidationException",
        "The provisioned throughput for the index one will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for index one: 5. Requested ReadCapacityUnits: 5. "
        "Current WriteCapacityUnits provisioned for index one: 6. Requested WriteCapacityUnits: 6. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
    )


def test_one_index_at_a_time(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    updates = [{"Create": index("one", "a")}, {"Create": index("two", "a")}]
    assert refused(door, {"GlobalSecondaryIndexUpdates": updates}) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
    )


def test_local_indexes_stay(door: DynamoDoor, dynamodb: Any) -> None:
    local = {"LocalSecondaryIndexes": [index("mine", "a", "b")]}
    ranged = {"AttributeDefinitions": definitions("a", "b"), "KeySchema": index("x", "a", "b")["KeySchema"]}
    dynamodb.create_table(**PLAIN | ranged | local)
    assert refused(door, {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "mine"}}]}) == (
        "ValidationException",
        "Cannot delete an index that is not a GlobalSecondaryIndex: mine",
    )


def test_a_table_that_is_not_there(dynamodb: Any) -> None:
    with pytest.raises(ClientError, match="Table: abc not found"):
        dynamodb.update_table(TableName="abc", DeletionProtectionEnabled=True)


def test_an_attribute_keeps_the_type_it_has(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PROVISIONED)
    dynamodb.update_table(
        TableName="abc",
        AttributeDefinitions=[
            {"AttributeName": "a", "AttributeType": "N"},
            {"AttributeName": "b", "AttributeType": "B"},
            {"AttributeName": "unused", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexUpdates=[{"Create": index("one", "b", ProvisionedThroughput=UNITS)}],
    )
    assert dynamodb.describe_table(TableName="abc")["Table"]["AttributeDefinitions"] == [
        {"AttributeName": "a", "AttributeType": "S"},
        {"AttributeName": "b", "AttributeType": "B"},
    ]


def test_limits_change_member_by_member(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN, OnDemandThroughput={"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6})

    def shown() -> Any:
        return dynamodb.describe_table(TableName="abc")["Table"]

    dynamodb.update_table(TableName="abc", OnDemandThroughput={"MaxReadRequestUnits": 7})
    assert shown()["OnDemandThroughput"] == {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": 6}
    dynamodb.update_table(TableName="abc", OnDemandThroughput={"MaxWriteRequestUnits": -1})
    assert shown()["OnDemandThroughput"] == {"MaxReadRequestUnits": 7}
    dynamodb.update_table(TableName="abc", **WARM)
    assert shown()["WarmThroughput"] == {
        "ReadUnitsPerSecond": 13_000,
        "WriteUnitsPerSecond": 4_000,
        "Status": "ACTIVE",
    }
    dynamodb.update_table(TableName="abc", BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    assert "OnDemandThroughput" not in shown()
    assert refused(door, LIMITED)[1] == (
        f"{INVALID}MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is "
        "PROVISIONED"
    )


def test_an_index_that_is_paid_per_request_has_limits_only(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN, GlobalSecondaryIndexes=[index("one", "a")])

    def asked(**change: Any) -> dict[str, Any]:
        return {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "one", **change}}]}

    message = (
        f"{INVALID}The only Updates for index: one when TableThroughputMode is PAY_PER_REQUEST can be to "
        "OnDemandThroughput, WarmThroughput"
    )
    assert refused(door, asked())[1] == message
    assert refused(door, asked(OnDemandThroughput={}))[1] == message
    assert refused(door, asked(WarmThroughput={"WriteUnitsPerSecond": 3_999}))[1] == (
        f"{INVALID}Requested WriteUnitsPerSecond for WarmThroughput for index one is lower than current "
        "WarmThroughput, decreasing WarmThroughput is not supported"
    )
    dynamodb.update_table(TableName="abc", **asked(OnDemandThroughput={"MaxReadRequestUnits": 3}))
    dynamodb.update_table(TableName="abc", **asked(WarmThroughput={"WriteUnitsPerSecond": 4_001}))
    (one,) = dynamodb.describe_table(TableName="abc")["Table"]["GlobalSecondaryIndexes"]
    assert one["OnDemandThroughput"] == {"MaxReadRequestUnits": 3}
    assert one["WarmThroughput"]["WriteUnitsPerSecond"] == 4_001


def test_an_index_that_is_not_there_gets_no_warmth(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    warmer = {"IndexName": "ghost", "WarmThroughput": {"ReadUnitsPerSecond": 13_000}}
    assert refused(door, {"GlobalSecondaryIndexUpdates": [{"Update": warmer}]}) == (
        "ResourceNotFoundException",
        "Requested resource not found: Index ghost for table abc",
    )


@pytest.mark.parametrize("member", ["OnDemandThroughput", "WarmThroughput"])
def test_an_empty_structure_asks_for_nothing(door: DynamoDoor, dynamodb: Any, member: str) -> None:
    dynamodb.create_table(**PLAIN)
    assert refused(door, {member: {}}) == refused(door, {})


def test_warm_throughput_stays_where_provisioned_capacity_falls(dynamodb: Any) -> None:
    dynamodb.create_table(
        **PROVISIONED | {"ProvisionedThroughput": {"ReadCapacityUnits": 20_000, "WriteCapacityUnits": 5}}
    )
    dynamodb.update_table(TableName="abc", ProvisionedThroughput=MORE)
    warm = dynamodb.describe_table(TableName="abc")["Table"]["WarmThroughput"]
    assert warm["ReadUnitsPerSecond"] == 20_000
