"""The DynamoDB door of real nodes, through boto3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import ClusterFactory
from tests.kit.dynamo_door import client
from tests.kit.local_cluster import LocalCluster, Node

TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def dynamo_map(nodes: list[Node]) -> str:
    return ",".join(f"{node.address}={node.dynamo_address}" for node in nodes)


@pytest.fixture(scope="module", params=["with a map", "without a map"])
def cluster(request: pytest.FixtureRequest, make_shared_cluster: ClusterFactory) -> LocalCluster:
    made = make_shared_cluster(3, started=False)
    if request.param == "with a map":
        made.extra_flags = ["--raftDynamoMap", dynamo_map(made.nodes)]
    made.start()
    made.wait_for_leader()
    made.wait_until_ready()
    return made


def door(node: Node) -> Any:
    return client(f"http://{node.dynamo_address}")


def test_every_node_serves(cluster: LocalCluster) -> None:
    cluster.wait_for_leader()
    for number, node in enumerate(cluster.nodes):
        name = f"table{number}"
        assert door(node).create_table(TableName=name, **TABLE)["TableDescription"]["TableStatus"] == "CREATING"
        for other in cluster.nodes:
            assert door(other).describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
    assert door(cluster.nodes[0]).list_tables()["TableNames"] == ["table0", "table1", "table2"]


def test_tables_outlive_their_leader(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    door(leader).create_table(TableName="kept", **TABLE)
    leader.kill()
    try:
        cluster.wait_for_leader(unlike=leader)
        for node in cluster.nodes:
            if node is not leader:
                assert door(node).describe_table(TableName="kept")["Table"]["TableStatus"] == "ACTIVE"
    finally:
        leader.start()
        cluster.wait_until_ready()
