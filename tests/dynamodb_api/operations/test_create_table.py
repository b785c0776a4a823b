from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.dynamo_door import DynamoDoor

S = {"AttributeType": "S"}


def definitions(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def keys(*names: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "KeyType": kind}
        for name, kind in zip(names, ("HASH", *["RANGE"] * len(names)), strict=False)
    ]


def index(name: str, *names: str, **more: Any) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": keys(*names), "Projection": {"ProjectionType": "ALL"}, **more}


UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
PLAIN: dict[str, Any] = {
    "TableName": "abc",
    "AttributeDefinitions": definitions("a"),
    "KeySchema": keys("a"),
    "BillingMode": "PAY_PER_REQUEST",
}
INVALID = "One or more parameter values were invalid: "


def test_a_provisioned_table(dynamodb: Any) -> None:
    described = dynamodb.create_table(
        TableName="abc",
        AttributeDefinitions=definitions("a", "b"),
        KeySchema=keys("a", "b"),
        ProvisionedThroughput=UNITS,
    )["TableDescription"]
    assert described["TableStatus"] == "CREATING"
    assert described["KeySchema"] == keys("a", "b")
    assert described["AttributeDefinitions"] == definitions("a", "b")
    assert described["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **UNITS}
    assert described["TableArn"] == "arn:aws:dynamodb:us-east-1:123456789012:table/abc"
    assert (described["ItemCount"], described["TableSizeBytes"]) == (0, 0)
    assert described["DeletionProtectionEnabled"] is False
    assert "BillingModeSummary" not in described
    assert "StreamSpecification" not in described
    after = dynamodb.describe_table(TableName="abc")["Table"]
    assert after == {**described, "TableStatus": "ACTIVE"}


def test_everything_that_can_be_asked_for(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="abc",
        AttributeDefinitions=definitions("a", "b", "c", "d"),
        KeySchema=keys("a", "b"),
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[index("local", "a", "c")],
        GlobalSecondaryIndexes=[
            index("one", "d", Projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "y"]}),
            index("two", "c", "d", OnDemandThroughput={"MaxReadRequestUnits": 7}),
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        SSESpecification={"Enabled": True},
        Tags=[{"Key": "team", "Value": "green"}],
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=True,
        OnDemandThroughput={"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 5},
    )
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    assert [one["IndexName"] for one in table["LocalSecondaryIndexes"]] == ["local"]
    assert "IndexStatus" not in table["LocalSecondaryIndexes"][0]
    one, two = table["GlobalSecondaryIndexes"]
    assert one["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "y"]}
    assert one["IndexStatus"] == two["IndexStatus"] == "ACTIVE"
    assert one["IndexArn"] == f"{table['TableArn']}/index/one"
    assert two["OnDemandThroughput"] == {"MaxReadRequestUnits": 7}
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    assert table["LatestStreamArn"] == f"{table['TableArn']}/stream/{table['LatestStreamLabel']}"
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["SSEDescription"]["KMSMasterKeyArn"].startswith("arn:aws:kms:us-east-1:")
    assert table["TableClassSummary"] == {"TableClass": "STANDARD_INFREQUENT_ACCESS"}
    assert table["DeletionProtectionEnabled"] is True
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 5}
    assert dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [{"Key": "team", "Value": "green"}]


def test_the_answer_says_nothing_of_the_warmth_of_indexes(dynamodb: Any) -> None:
    """As at AWS: the first DescribeTable does."""
    described = dynamodb.create_table(**PLAIN, GlobalSecondaryIndexes=[index("one", "a")])["TableDescription"]
    (one,) = described["GlobalSecondaryIndexes"]
    assert "WarmThroughput" not in one
    (after,) = dynamodb.describe_table(TableName="abc")["Table"]["GlobalSecondaryIndexes"]
    assert after["WarmThroughput"] == {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"}


VECTORS = {
    "IndexName": "near",
    "VectorAttribute": {"AttributeName": "v"},
    "Dimensions": 3,
    "DistanceFunction": "COSINE",
    "Projection": {"ProjectionType": "ALL"},
}


@pytest.mark.parametrize(
    ("member", "value", "missing"),
    [
        ("VectorIndexes", [VECTORS], "vector indexes"),
        ("ResourcePolicy", "{}", "resource policies"),
        ("GlobalTableSourceArn", "arn:aws:dynamodb:eu-west-1:123456789012:table/other", "global tables"),
        ("GlobalTableSettingsReplicationMode", "ENABLED", "global tables"),
    ],
)
def test_what_there_is_none_of_is_refused(door: DynamoDoor, member: str, value: Any, missing: str) -> None:
    status, said = door.call("CreateTable", PLAIN | {member: value})
    assert (status, said["message"]) == (400, f"{INVALID}{member} cannot be specified: there are no {missing}")
    assert door.call("CreateTable", PLAIN | {"GlobalTableSettingsReplicationMode": "DISABLED"})[0] == 200


def schema(words: str) -> list[dict[str, str]]:
    """ "h:a r:b" """
    kinds = {"h": "HASH", "r": "RANGE"}
    return [{"AttributeName": word[2:], "KeyType": kinds[word[0]]} for word in words.split()]


def several(words: str, **more: Any) -> dict[str, Any]:
    """A request for a table with an index of these keys."""
    return PLAIN | {
        "AttributeDefinitions": definitions(*dict.fromkeys(["a", *(word[2:] for word in words.split())])),
        "GlobalSecondaryIndexes": [index("one", KeySchema=schema(words))],
        **more,
    }


@pytest.mark.parametrize("words", ["h:b h:c", "h:b r:c r:d", "h:d h:c h:b h:a r:e r:h r:g r:f"])
def test_a_global_index_may_have_up_to_four_attributes_of_each_kind(dynamodb: Any, words: str) -> None:
    dynamodb.create_table(**several(words))
    (described,) = dynamodb.describe_table(TableName="abc")["Table"]["GlobalSecondaryIndexes"]
    assert described["KeySchema"] == schema(words)
    assert described["IndexStatus"] == "ACTIVE"


def test_a_name_can_be_taken_once(dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    with pytest.raises(ClientError, match="Table already exists: abc") as caught:
        dynamodb.create_table(**PLAIN)
    assert caught.value.response["Error"]["Code"] == "ResourceInUseException"


PROVISIONED = {key: value for key, value in PLAIN.items() if key != "BillingMode"} | {"ProvisionedThroughput": UNITS}
RANGED = PLAIN | {"AttributeDefinitions": definitions("a", "b"), "KeySchema": keys("a", "b")}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {key: value for key, value in PLAIN.items() if key != "TableName"},
            "The parameter 'TableName' is required but was not present in the request",
        ),
        (
            PLAIN | {"TableName": "ab"},
            "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: "
            "Member must have length greater than or equal to 3",
        ),
        (
            PLAIN | {"TableName": "a" * 256},
            f"1 validation error detected: Value '{'a' * 256}' at 'tableName' failed to satisfy constraint: "
            "Member must have length less than or equal to 255",
        ),
        (
            PLAIN | {"KeySchema": keys("a", "b", "c"), "AttributeDefinitions": definitions("a", "b", "c")},
            "1 validation error detected: Value '[KeySchemaElement(attributeName=a, keyType=HASH), "
            "KeySchemaElement(attributeName=b, keyType=RANGE), KeySchemaElement(attributeName=c, keyType=RANGE)]' at "
            "'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2",
        ),
        (
            PLAIN | {"KeySchema": [{"AttributeName": "a", "KeyType": "INVALID"}]},
            "1 validation error detected: Value 'INVALID' at 'keySchema.1.member.keyType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [HASH, RANGE]",
        ),
        (
            PLAIN | {"AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "M"}]},
            "1 validation error detected: Value 'M' at 'attributeDefinitions.1.member.attributeType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [B, N, S]",
        ),
        (
            {"TableName": "abc"},
            "2 validation errors detected: Value null at 'attributeDefinitions' failed to satisfy constraint: "
            "Member must not be null; Value null at 'keySchema' failed to satisfy constraint: Member must not be null",
        ),
        (
            PLAIN | {"ProvisionedThroughput": UNITS},
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {key: value for key, value in PLAIN.items() if key != "BillingMode"},
            f"{INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            PROVISIONED | {"ProvisionedThroughput": {"ReadCapacityUnits": 10**12 + 1, "WriteCapacityUnits": 1}},
            "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
        ),
        (PLAIN | {"KeySchema": keys("a", "a")}, "Invalid KeySchema: Some index key attribute have no definition"),
        (
            PLAIN | {"AttributeDefinitions": definitions("b")},
            f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: [a], "
            "AttributeDefinitions: [b]",
        ),
        (
            RANGED | {"KeySchema": keys("a", "a")},
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            PLAIN | {"KeySchema": [{"AttributeName": "a", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            RANGED
            | {
                "KeySchema": [
                    {"AttributeName": "a", "KeyType": "HASH"},
                    {"AttributeName": "b", "KeyType": "HASH"},
                ]
            },
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            PLAIN | {"AttributeDefinitions": definitions("a", "b")},
            f"{INVALID}Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
        ),
        (
            several("h:b h:c h:d h:e h:f"),
            f"{INVALID}The KeySchema exceeds the maximum allowed number of HASH key attributes",
        ),
        (
            several("h:b r:c r:d r:e r:f r:g"),
            f"{INVALID}The KeySchema exceeds the maximum allowed number of RANGE key attributes",
        ),
        (
            several("h:b r:c h:d"),
            f"{INVALID}All HASH key attributes must precede RANGE key attributes in the KeySchema",
        ),
        (several("r:b h:c"), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        (several("r:b"), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        (several("h:b r:c r:b"), "The KeySchema contains multiple key attributes with the same name"),
        (
            several("h:b r:c r:d", AttributeDefinitions=definitions("a", "b", "c")),
            f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: [b, c, d], "
            "AttributeDefinitions: [a, b, c]",
        ),
        (
            RANGED | {"LocalSecondaryIndexes": [index("one", "a", "b", "c")]},
            "1 validation error detected: Value '[KeySchemaElement(attributeName=a, keyType=HASH), "
            "KeySchemaElement(attributeName=b, keyType=RANGE), KeySchemaElement(attributeName=c, keyType=RANGE)]' at "
            "'localSecondaryIndexes.1.member.keySchema' failed to satisfy constraint: "
            "Member must have length less than or equal to 2",
        ),
        (PLAIN | {"LocalSecondaryIndexes": []}, f"{INVALID}List of LocalSecondaryIndexes is empty"),
        (PLAIN | {"GlobalSecondaryIndexes": []}, f"{INVALID}List of GlobalSecondaryIndexes is empty"),
        (
            PLAIN | {"AttributeDefinitions": definitions("a", "b"), "LocalSecondaryIndexes": [index("one", "a", "b")]},
            f"{INVALID}Table KeySchema does not have a range key, which is required when specifying a "
            "LocalSecondaryIndex",
        ),
        (
            RANGED | {"LocalSecondaryIndexes": [index("one", "a")]},
            f"{INVALID}Index KeySchema does not have a range key for index: one",
        ),
        (
            RANGED | {"LocalSecondaryIndexes": [index("one", "b", "a")]},
            f"{INVALID}Index KeySchema does not have the same leading hash key as table KeySchema for index: one. "
            "index hash key: b, table hash key: a",
        ),
        (
            RANGED | {"LocalSecondaryIndexes": [index("one", "a", "b"), index("one", "a", "b")]},
            f"{INVALID}Duplicate index name: one",
        ),
        (
            RANGED | {"LocalSecondaryIndexes": [index(f"one{n}", "a", "b") for n in range(6)]},
            f"{INVALID}Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ),
        (
            RANGED | {"GlobalSecondaryIndexes": [index(f"one{n}", "a", "b") for n in range(21)]},
            f"{INVALID}GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            PLAIN | {"GlobalSecondaryIndexes": [index("one", "b")]},
            f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: [b], "
            "AttributeDefinitions: [a]",
        ),
        (
            RANGED | {"KeySchema": keys("a"), "GlobalSecondaryIndexes": [index("one", "a")]},
            f"{INVALID}Some AttributeDefinitions are not used. AttributeDefinitions: [a, b], keys used: [a]",
        ),
        (
            PLAIN | {"GlobalSecondaryIndexes": [index("one", "a", Projection={})]},
            f"{INVALID}Unknown ProjectionType: null",
        ),
        (
            PLAIN
            | {
                "GlobalSecondaryIndexes": [
                    index("one", "a", Projection={"ProjectionType": "KEYS_ONLY", "NonKeyAttributes": ["x"]})
                ]
            },
            f"{INVALID}ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
        ),
        (
            PLAIN | {"GlobalSecondaryIndexes": [index("one", "a", Projection={"ProjectionType": "INCLUDE"})]},
            f"{INVALID}ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            PLAIN | {"GlobalSecondaryIndexes": [index("one", "a", ProvisionedThroughput=UNITS)]},
            f"{INVALID}ProvisionedThroughput should not be specified for index: one when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            PROVISIONED | {"GlobalSecondaryIndexes": [index("one", "a")]},
            f"{INVALID}ProvisionedThroughput is not specified for index: one",
        ),
        (
            PLAIN | {"StreamSpecification": {"StreamEnabled": True}},
            f"{INVALID}Table is being created with a stream enabled, UpdateViewType is required",
        ),
        (
            PLAIN | {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            f"{INVALID}Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
        (
            PLAIN | {"SSESpecification": {"Enabled": False, "SSEType": "KMS"}},
            f"{INVALID}SSEType can not be specified if Enabled is false",
        ),
        (
            PROVISIONED | {"OnDemandThroughput": {"MaxReadRequestUnits": 1}},
            f"{INVALID}MaxReadRequestUnits for OnDemandThroughput cannot be specified when table BillingMode is "
            "PROVISIONED.",
        ),
        (
            PLAIN | {"OnDemandThroughput": {"MaxReadRequestUnits": -1}},
            f"{INVALID}Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range",
        ),
        (
            PLAIN | {"GlobalSecondaryIndexes": [index("one", "a", OnDemandThroughput={"MaxReadRequestUnits": 0})]},
            f"{INVALID}Requested MaxReadRequestUnits for OnDemandThroughput for index : one is outside of valid range",
        ),
        (
            PLAIN | {"WarmThroughput": {"ReadUnitsPerSecond": 0, "WriteUnitsPerSecond": 0}},
            f"{INVALID}Requested ReadUnitsPerSecond for WarmThroughput for table is lower than initial throughput for "
            "OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"
            "#on-demand-capacity-mode-initial",
        ),
        (
            PROVISIONED | {"WarmThroughput": {"ReadUnitsPerSecond": 1}},
            f"{INVALID}Requested ReadUnitsPerSecond for WarmThroughput for table is lower than ReadCapacityUnits of "
            "ProvisionedThroughput",
        ),
        (
            PLAIN
            | {
                "AttributeDefinitions": definitions("a", "b", "c", "pk", "sk"),
                "KeySchema": keys("pk", "sk"),
                "GlobalSecondaryIndexes": [index("x", "a")],
            },
            "1 validation error detected: Value 'x' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy "
            "constraint: Member must have length greater than or equal to 3",
        ),
        (
            PLAIN
            | {
                "AttributeDefinitions": definitions("a", "b", "c", "pk", "sk"),
                "KeySchema": keys("pk", "sk"),
                "GlobalSecondaryIndexes": [index("one", "a", Projection={})],
            },
            f"{INVALID}Some AttributeDefinitions are not used. AttributeDefinitions: [sk, a, b, c, pk], "
            "keys used: [a, sk, pk]",
        ),
        (
            PLAIN | {"AttributeDefinitions": definitions("a", "a")},
            "Attribute Name is duplicated: a",
        ),
        (
            PLAIN | {"AttributeDefinitions": [{}]},
            "2 validation errors detected: "
            "Value null at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: "
            "Member must not be null; "
            "Value null at 'attributeDefinitions.1.member.attributeName' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            PLAIN | {"GlobalSecondaryIndexes": [index("", "a")]},
            "2 validation errors detected: Value '' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy "
            "constraint: Member must have length greater than or equal to 3; Value '' at "
            "'globalSecondaryIndexes.1.member.indexName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            PLAIN | {"SSESpecification": {"Enabled": True, "KMSMasterKeyId": ""}},
            "1 validation error detected: Value '' at 'sSESpecification.kMSMasterKeyId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            PLAIN | {"TableClass": "NO"},
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            "[STANDARD, STANDARD_INFREQUENT_ACCESS].",
        ),
        (PLAIN | {"Tags": [{}]}, "The Tag Key provided is invalid, Key: null"),
        (PLAIN | {"Tags": [{"Key": "a"}]}, "The Tag Value provided is invalid, Value: null"),
        (
            PLAIN | {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
            "Duplicate Tag Keys provided as input: Duplicate Tag Key found a",
        ),
    ],
)
def test_what_is_refused(door: DynamoDoor, request_: dict[str, Any], message: str) -> None:
    status, said = door.call("CreateTable", request_)
    assert (status, said["message"]) == (400, message)
    assert said["__type"].endswith("#ValidationException")
    assert door.call("ListTables", {})[1] == {"TableNames": []}
