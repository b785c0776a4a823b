"""The AWS command line, boto3 (client and resource) and PynamoDB work on one schema of a five-node cluster, all at
once, while nodes die: what was acknowledged to any of them is there for all of them, in the table and its indexes."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import PynamoDBException
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection, LocalSecondaryIndex
from pynamodb.models import Model

from tests.e2e.conftest import ClusterFactory
from tests.kit.dynamo_door import CREDENTIALS
from tests.kit.local_cluster import LocalCluster, Node

TOWNS = ("ulm", "aalen", "bonn")


class ByTown(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]  # pynamodb, in part
    class Meta:
        index_name = "by-town"
        projection = AllProjection()

    town = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)


class ByTitle(LocalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]  # pynamodb, in part
    class Meta:
        index_name = "by-title"
        projection = KeysOnlyProjection()

    writer = UnicodeAttribute(hash_key=True)
    title = UnicodeAttribute(range_key=True)


class Order(Model):
    class Meta:
        table_name = "orders"
        region = "us-east-1"
        host = ""
        billing_mode = "PAY_PER_REQUEST"
        aws_access_key_id = "test"
        aws_secret_access_key = "secret"
        connect_timeout_seconds = 2
        read_timeout_seconds = 10

    writer = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)
    title = UnicodeAttribute()
    town = UnicodeAttribute()
    tags = UnicodeSetAttribute(null=True)
    address: MapAttribute[Any, Any] = MapAttribute(null=True)  # type: ignore[no-untyped-call]  # pynamodb
    by_town = ByTown()
    by_title = ByTitle()


def url(node: Node) -> str:
    return f"http://{node.dynamo_address}"


PATIENCE = Config(retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=2, read_timeout=10)


@cache
def client_of(address: str) -> Any:
    return boto3.session.Session().client(
        "dynamodb", endpoint_url=address, region_name="us-east-1", config=PATIENCE, **CREDENTIALS
    )


@cache
def orders_of(address: str) -> Any:
    session = boto3.session.Session()
    made = session.resource("dynamodb", endpoint_url=address, region_name="eu-west-1", config=PATIENCE, **CREDENTIALS)
    return made.Table("orders")


def town(number: int) -> str:
    return TOWNS[number % len(TOWNS)]


# how each of them writes an order, changes it, and lists the numbers of a writer's orders and of a town's


def with_client(node: Node, writer: str, number: int) -> None:
    dynamodb = client_of(url(node))
    key = {"writer": {"S": writer}, "number": {"N": str(number)}}
    item = key | {"title": {"S": f"title {number:04}"}, "town": {"S": "nowhere"}}
    dynamodb.put_item(TableName="orders", Item=item)
    dynamodb.update_item(
        TableName="orders",
        Key=key,
        UpdateExpression="SET town = :town ADD tags :tags",
        ExpressionAttributeValues={":town": {"S": town(number)}, ":tags": {"SS": ["client"]}},
    )


def with_resource(node: Node, writer: str, number: int) -> None:
    orders = orders_of(url(node))
    with orders.batch_writer() as batch:
        batch.put_item(Item={"writer": writer, "number": number, "title": f"title {number:04}", "town": town(number)})
    orders.update_item(
        Key={"writer": writer, "number": number},
        UpdateExpression="SET address = :address",
        ExpressionAttributeValues={":address": {"street": "x", "zip": 12345}},
    )


def with_mapper(node: Node, writer: str, number: int) -> None:
    Order.Meta.host = url(node)
    Order._connection = None
    order = Order(writer, number, title=f"title {number:04}", town=town(number), tags={"b", "a"})
    order.save()
    order.update(actions=[Order.tags.add({"c"})])


class CommandLine:
    def __init__(self, home: Path) -> None:
        none = str(home / "none")
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": none,
            "AWS_SHARED_CREDENTIALS_FILE": none,
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "2",
        }

    def __call__(self, node: Node, *arguments: str) -> Any:
        program = str(Path(sys.executable).parent / "aws")
        command = [program, "dynamodb", *arguments, "--endpoint-url", url(node), "--output", "json"]
        command += ["--cli-connect-timeout", "2", "--cli-read-timeout", "10"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise OSError(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def write(self, node: Node, writer: str, number: int) -> None:
        item = {"writer": {"S": writer}, "number": {"N": str(number)}, "title": {"S": f"title {number:04}"}}
        item["town"] = {"S": town(number)}
        self(node, "put-item", "--table-name", "orders", "--item", json.dumps(item))


def shown(node: Node, writer: str) -> list[list[int]]:
    """A writer's orders as boto3 finds them: in the table, in the local index, in the global index."""
    orders = orders_of(url(node))

    def all_of(condition: Any, **options: Any) -> list[int]:
        found: list[dict[str, Any]] = []
        while True:
            page = orders.query(KeyConditionExpression=condition, Limit=50, **options)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return sorted(int(item["number"]) for item in found if item["writer"] == writer)
            options["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    mine = Key("writer").eq(writer)
    by_town = [number for name in TOWNS for number in all_of(Key("town").eq(name), IndexName="by-town")]
    return [all_of(mine, ConsistentRead=True), all_of(mine, IndexName="by-title"), sorted(by_town)]


def test_three_kinds_of_clients_on_five_nodes_while_nodes_die(make_cluster: ClusterFactory, tmp_path: Path) -> None:
    cluster = make_cluster(5)
    command_line = CommandLine(tmp_path)
    Order.Meta.host = url(cluster.nodes[1])
    Order._connection = None
    Order.create_table(wait=True)
    writers: dict[str, Callable[[Node, str, int], None]] = {
        "client": with_client,
        "resource": with_resource,
        "mapper": with_mapper,
        "command line": command_line.write,
    }
    acknowledged: dict[str, list[int]] = {name: [] for name in writers}
    stop = threading.Event()

    def work(name: str, write: Callable[[Node, str, int], None]) -> None:
        rng = random.Random(name)
        for number in itertools.count():
            while not stop.is_set():
                try:
                    write(rng.choice(cluster.running), name, number)
                except (ClientError, BotoCoreError, PynamoDBException, OSError):
                    time.sleep(0.05)  # nobody was there, or nobody knows: the same once more, somewhere else
                else:
                    acknowledged[name].append(number)
                    break
            if stop.is_set():
                return

    with ThreadPoolExecutor(len(writers)) as threads:
        futures = [threads.submit(work, name, write) for name, write in writers.items()]
        try:
            deaths(cluster)
            # A command is a process of its own, and slow.
            cluster.wait_until(lambda: all(len(one) >= 3 for one in acknowledged.values()), "work of all", 180)
        finally:
            stop.set()
        for future in futures:
            future.result(150)
    for name, numbers in acknowledged.items():
        for node in cluster.running:
            for found in shown(node, name):
                # One more may be there: the last attempt was not acknowledged.
                assert found[: len(numbers)] == numbers, (name, node)
                assert len(found) <= len(numbers) + 1
    Order.Meta.host = url(cluster.running[-1])
    Order._connection = None
    ours = [order for order in Order.query("mapper") if order.number in acknowledged["mapper"]]
    assert all(order.tags == {"a", "b", "c"} for order in ours)
    assert sorted(order.number for order in ours) == acknowledged["mapper"]
    counted = command_line(
        cluster.running[0],
        *("query", "--table-name", "orders", "--key-condition-expression", "writer = :w", "--select", "COUNT"),
        *("--expression-attribute-values", '{":w": {"S": "client"}}'),
    )
    assert counted["Count"] >= len(acknowledged["client"])


def deaths(cluster: LocalCluster) -> None:
    """The leader, the next leader while the first is still down, then both come back; once more, with a follower."""
    for victims in ("leader", "leader"), ("follower", "leader"):
        dead = []
        for victim in victims:
            leader = cluster.wait_for_leader(timeout=90)
            node = leader if victim == "leader" else next(one for one in cluster.running if one is not leader)
            node.kill()
            dead.append(node)
            if victim == "leader":
                cluster.wait_for_leader(unlike=node, timeout=90)
            time.sleep(4)
        for node in dead:
            node.start()
        cluster.wait_until_ready(90)
