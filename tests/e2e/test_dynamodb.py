"""The DynamoDB door of real nodes: boto3, the AWS command line, an object mapper, and nodes that die."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.conftest import ClusterFactory
from tests.kit.dynamo_door import CREDENTIALS, client
from tests.kit.local_cluster import LocalCluster, Node

TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def dynamo_map(nodes: list[Node]) -> str:
    return ",".join(f"{node.address}={node.dynamo_address}" for node in nodes)


def url(node: Node) -> str:
    return f"http://{node.dynamo_address}"


def door(node: Node, **options: Any) -> Any:
    """A client of this node that shows every failure."""
    return client(url(node), **options)


def patient(node: Node, service: str = "dynamodb") -> Any:
    """A client as applications have it: it repeats what failed."""
    config = Config(retries={"max_attempts": 10, "mode": "standard"}, connect_timeout=2, read_timeout=10)
    return boto3.client(service, endpoint_url=url(node), region_name="us-east-1", config=config, **CREDENTIALS)


@pytest.fixture(scope="module", params=["with a map", "without a map"])
def cluster(request: pytest.FixtureRequest, make_shared_cluster: ClusterFactory) -> LocalCluster:
    made = make_shared_cluster(3, started=False)
    if request.param == "with a map":
        made.extra_flags = ["--raftDynamoMap", dynamo_map(made.nodes)]
    made.start()
    made.wait_for_leader(timeout=90)
    made.wait_until_ready(90)
    return made


@contextmanager
def table(node: Node, name: str, **changes: Any) -> Iterator[str]:
    dynamodb = patient(node)
    dynamodb.create_table(TableName=name, **TABLE | changes)
    yield name
    dynamodb.delete_table(TableName=name)


def test_every_node_serves(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    names = [f"served{number}" for number in range(3)]
    for name, node in zip(names, cluster.nodes, strict=True):
        assert door(node).create_table(TableName=name, **TABLE)["TableDescription"]["TableStatus"] == "CREATING"
        for number, other in enumerate(cluster.nodes):
            assert door(other).describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
            door(other).put_item(TableName=name, Item={"a": {"S": f"k{number}"}, "n": {"N": str(number)}})
    for node in cluster.nodes:
        assert door(node).list_tables()["TableNames"] == names
        for name in names:
            assert door(node).scan(TableName=name)["Count"] == 3
            door(node).get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
        with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
            door(node).put_item(
                TableName=names[0], Item={"a": {"S": "k0"}}, ConditionExpression="attribute_not_exists(a)"
            )
    for name in names:
        door(leader).delete_table(TableName=name)


def test_what_was_written_outlives_its_leader(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    with table(leader, "kept"):
        for number in range(100):
            door(leader).put_item(TableName="kept", Item={"a": {"S": f"k{number}"}})
        leader.kill()
        try:
            cluster.wait_for_leader(unlike=leader)
            for node in cluster.nodes:
                if node is not leader:
                    assert door(node).describe_table(TableName="kept")["Table"]["ItemCount"] == 100
                    assert door(node).scan(TableName="kept", Select="COUNT")["Count"] == 100
        finally:
            leader.start()
            cluster.wait_until_ready()


def test_boto3_resource(cluster: LocalCluster) -> None:
    from boto3.dynamodb.conditions import Attr, Key

    for number, node in enumerate(cluster.nodes):
        dynamodb = boto3.resource("dynamodb", endpoint_url=url(node), region_name="eu-west-1", **CREDENTIALS)
        music = dynamodb.create_table(
            TableName=f"music{number}",
            KeySchema=[
                {"AttributeName": "artist", "KeyType": "HASH"},
                {"AttributeName": "year", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "artist", "AttributeType": "S"},
                {"AttributeName": "year", "AttributeType": "N"},
            ],
            ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        )
        music.wait_until_exists()
        with music.batch_writer() as batch:
            for year in range(1960, 2020):
                batch.put_item(Item={"artist": "x", "year": year, "title": f"song of {year}", "tags": {"a", "b"}})
        found = music.query(
            KeyConditionExpression=Key("artist").eq("x") & Key("year").between(1990, 1999),
            FilterExpression=Attr("title").contains("5"),
        )
        assert [int(item["year"]) for item in found["Items"]] == [1995]
        changed = music.update_item(
            Key={"artist": "x", "year": 1995},
            UpdateExpression="SET plays = if_not_exists(plays, :none) + :one ADD tags :more",
            ExpressionAttributeValues={":none": 0, ":one": 1, ":more": {"c"}},
            ReturnValues="ALL_NEW",
        )["Attributes"]
        assert changed["plays"] == 1
        assert changed["tags"] == {"a", "b", "c"}
        music.delete()
        music.wait_until_not_exists()


def test_an_index_with_a_key_of_several_attributes(cluster: LocalCluster) -> None:
    """Matches of a tournament, written through all nodes; the index is made when some are there already."""
    from boto3.dynamodb.conditions import Key

    leader = cluster.wait_for_leader()
    with table(leader, "matches") as name:
        resources = [
            boto3.resource("dynamodb", endpoint_url=url(node), region_name="eu-west-1", **CREDENTIALS)
            for node in cluster.nodes
        ]
        rounds = ["final", "quarter", "semi"]
        matches = [
            {"a": f"m{number}", "cup": f"c{number % 2}", "region": "eu", "round": rounds[number % 3], "at": number}
            for number in range(60)
        ]
        for number, match in enumerate(matches[:30]):
            resources[number % 3].Table(name).put_item(Item=match)
        keys = (("cup", "HASH", "S"), ("region", "HASH", "S"), ("round", "RANGE", "S"), ("at", "RANGE", "N"))
        patient(cluster.nodes[0]).update_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, _, kind in keys],
            GlobalSecondaryIndexUpdates=[
                {
                    "Create": {
                        "IndexName": "by_cup",
                        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind, _ in keys],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                }
            ],
        )
        for number, match in enumerate(matches[30:]):
            resources[number % 3].Table(name).put_item(Item=match)
        for resource in resources:
            everything: list[dict[str, Any]] = []
            start: dict[str, Any] = {}
            while True:
                page = resource.Table(name).query(
                    IndexName="by_cup",
                    KeyConditionExpression=Key("cup").eq("c1") & Key("region").eq("eu"),
                    Limit=7,
                    **start,
                )
                everything += page["Items"]
                if "LastEvaluatedKey" not in page:
                    break
                assert set(page["LastEvaluatedKey"]) == {"a", "cup", "region", "round", "at"}
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
            of_cup = sorted((one for one in matches if one["cup"] == "c1"), key=lambda one: (one["round"], one["at"]))
            assert everything == of_cup
            late = resource.Table(name).query(
                IndexName="by_cup",
                KeyConditionExpression=Key("cup").eq("c1")
                & Key("region").eq("eu")
                & Key("round").eq("semi")
                & Key("at").gte(30),
                ScanIndexForward=False,
            )["Items"]
            assert late == [one for one in of_cup if one["round"] == "semi" and int(str(one["at"])) >= 30][::-1]
        with pytest.raises(ClientError, match="RANGE key attributes round must have equality conditions"):
            resources[0].Table(name).query(
                IndexName="by_cup",
                KeyConditionExpression=Key("cup").eq("c1") & Key("region").eq("eu") & Key("at").eq(1),
            )


# the command line


def test_aws_command_line(cluster: LocalCluster, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_PAGER": "",
    }
    program = str(Path(sys.executable).parent / "aws")
    nodes = iter(cluster.nodes * 10)

    def aws(*arguments: str) -> Any:
        """Each command asks another node."""
        command = [program, "dynamodb", *arguments, "--endpoint-url", url(next(nodes)), "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    aws(
        *("create-table", "--table-name", "commands", "--billing-mode", "PAY_PER_REQUEST"),
        *("--attribute-definitions", "AttributeName=a,AttributeType=S"),
        *("--key-schema", "AttributeName=a,KeyType=HASH"),
    )
    aws("wait", "table-exists", "--table-name", "commands")
    aws("put-item", "--table-name", "commands", "--item", '{"a": {"S": "one"}, "n": {"N": "1"}}')
    item = aws("get-item", "--table-name", "commands", "--key", '{"a": {"S": "one"}}')["Item"]
    assert item == {"a": {"S": "one"}, "n": {"N": "1"}}
    rows = aws("execute-statement", "--statement", "SELECT n FROM commands WHERE a = 'one'")["Items"]
    assert rows == [{"n": {"N": "1"}}]
    assert aws("scan", "--table-name", "commands")["Count"] == 1
    aws("delete-table", "--table-name", "commands")
    aws("wait", "table-not-exists", "--table-name", "commands")


# nodes that die while money moves

ACCOUNTS, START = 20, 100


def transfer(dynamodb: Any, rng: random.Random, token: str) -> None:
    giver, taker = rng.sample(range(ACCOUNTS), 2)
    amount = str(rng.randrange(1, 30))

    def change(account: int, sign: str, condition: bool) -> dict[str, Any]:
        update = {
            "TableName": "bank",
            "Key": {"a": {"S": f"account{account}"}},
            "UpdateExpression": f"SET balance = balance {sign} :x, changes = changes + :one",
            "ExpressionAttributeValues": {":x": {"N": amount}, ":one": {"N": "1"}},
        }
        return {"Update": update | ({"ConditionExpression": "balance >= :x"} if condition else {})}

    items = [change(giver, "-", True), change(taker, "+", False)]
    while True:
        try:
            dynamodb.transact_write_items(TransactItems=items, ClientRequestToken=token)
            return
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionCanceledException":
                raise
        except BotoCoreError:
            pass  # no answer at all: the same token again, so it cannot happen twice


def test_money_is_conserved_while_leaders_die(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3, started=False)
    cluster.extra_flags = ["--raftDynamoMap", dynamo_map(cluster.nodes)]
    cluster.start()
    cluster.wait_for_leader(timeout=90)
    cluster.wait_until_ready(90)
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    first = patient(cluster.nodes[0])
    described = first.create_table(TableName="bank", StreamSpecification=stream, **TABLE)["TableDescription"]
    for account in range(ACCOUNTS):
        item = {"a": {"S": f"account{account}"}, "balance": {"N": str(START)}, "changes": {"N": "0"}}
        first.put_item(TableName="bank", Item=item)
    stop = threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        rng = random.Random(number)
        made = 0
        while not stop.is_set():
            live = cluster.running
            try:
                transfer(door(rng.choice(live)), rng, uuid.uuid4().hex)
                made += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
        done.append(made)

    def until_served(work: Callable[[], Any]) -> Any:
        for _ in range(100):
            try:
                return work()
            except (ClientError, BotoCoreError):
                time.sleep(0.1)
        return work()

    with ThreadPoolExecutor(4) as workers:
        futures = [workers.submit(work, number) for number in range(4)]
        for _ in range(3):
            time.sleep(2)
            leader = cluster.wait_for_leader()
            leader.kill()
            cluster.wait_for_leader(unlike=leader, timeout=90)
            time.sleep(1)
            leader.start()
            cluster.wait_until_ready(90)
        stop.set()
        for future in futures:
            future.result(60)
    assert sum(done) > 50
    for node in cluster.nodes:
        rows = until_served(lambda node=node: door(node).scan(TableName="bank", ConsistentRead=True))["Items"]  # type: ignore[misc]
        assert sum(int(row["balance"]["N"]) for row in rows) == ACCOUNTS * START
        assert sum(int(row["changes"]["N"]) for row in rows) == 2 * sum(done)
    check_stream(patient(cluster.nodes[1], "dynamodbstreams"), described["LatestStreamArn"], rows)


def check_stream(reader: Any, arn: str, rows: list[dict[str, Any]]) -> None:
    """Every change of every account is in the stream once, in order, each old image the new one before it."""
    (shard,) = reader.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    place = reader.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    place = place["ShardIterator"]
    images: dict[str, list[dict[str, Any]]] = defaultdict(list)
    while records := (page := reader.get_records(ShardIterator=place))["Records"]:
        place = page["NextShardIterator"]
        for record in records:
            change = record["dynamodb"]
            before = images[change["Keys"]["a"]["S"]]
            assert change.get("OldImage") == (before[-1] if before else None)
            before.append(change["NewImage"])
    assert {key: found[-1] for key, found in images.items()} == {row["a"]["S"]: row for row in rows}
    for key, found in images.items():
        assert [int(image["changes"]["N"]) for image in found] == list(range(len(found))), key


# signatures, through followers too


def test_signatures_are_checked_on_every_node(make_cluster: ClusterFactory, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("AKIAFRIEND correct-horse\n")
    for with_map in (True, False):
        cluster = make_cluster(3, started=False)
        cluster.extra_flags = ["--dynamoCredentialsFile", str(file)]
        if with_map:
            cluster.extra_flags += ["--raftDynamoMap", dynamo_map(cluster.nodes)]
        cluster.start()
        cluster.wait_for_leader(timeout=90)
        cluster.wait_until_ready(90)
        friend = {"aws_access_key_id": "AKIAFRIEND", "aws_secret_access_key": "correct-horse"}
        for number, node in enumerate(cluster.nodes):
            door(node, **friend).create_table(TableName=f"signed{number}", **TABLE)
            with pytest.raises(ClientError, match="InvalidSignatureException"):
                door(node, **friend | {"aws_secret_access_key": "wrong"}).list_tables()
            with pytest.raises(ClientError, match="UnrecognizedClientException"):
                door(node).list_tables()
        for node in cluster.nodes:
            assert len(door(node, **friend).list_tables()["TableNames"]) == 3
            assert "correct-horse" not in node.log_text()
        cluster.stop()


def test_a_majority_that_is_gone_is_said_and_not_waited_for(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3, extra_flags=["--requestTimeout", "1s"])
    leader = cluster.wait_for_leader()
    door(leader).create_table(TableName="alone", **TABLE)
    for node in cluster.followers():
        node.kill()
    started = time.monotonic()
    with pytest.raises(ClientError, match="InternalServerError") as caught:
        door(leader).put_item(TableName="alone", Item={"a": {"S": "k"}})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert time.monotonic() - started < 10
    for _ in range(100):
        if not answers(lambda: door(leader).get_item(TableName="alone", Key={"a": {"S": "k"}})):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("a node without a majority goes on answering reads")


def answers(work: Callable[[], Any]) -> bool:
    """Whether it works; the one way in which it may not is a 500."""
    try:
        work()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 500:
            raise
        return False
    return True


def test_credentials_that_cannot_be_read_are_one_line_and_the_end(make_cluster: ClusterFactory, tmp_path: Path) -> None:
    cluster = make_cluster(1, started=False, extra_flags=["--dynamoCredentialsFile", str(tmp_path / "missing")])
    (node,) = cluster.nodes
    node.start()
    assert node.wait(60) == 1
    assert "--dynamoCredentialsFile" in node.log_text()
    assert "Traceback" not in node.log_text()


def test_operations_are_in_the_metrics(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(1)
    (node,) = cluster.nodes
    door(node).list_tables()
    with pytest.raises(ClientError):
        door(node).describe_table(TableName="nothing")
    text = node.http("/metrics")[1]
    for operation, outcome in (("ListTables", "ok"), ("DescribeTable", "ResourceNotFoundException")):
        assert f'operation="{operation}",outcome="{outcome}"' in text
    assert "elastickv_dynamodb_request_duration_seconds_bucket{" in text
