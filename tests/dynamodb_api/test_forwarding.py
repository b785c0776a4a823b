"""A follower's door and a leader's: what is passed on, what is repeated, and what never is."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from tests.kit.dynamo_door import DynamoDoor, post, read_all, running_door
from tests.kit.fake_redis_store import FakeStore

LEADER = Leader("n1", "10.0.0.1:50051")
TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@contextmanager
def follower(dynamo_address: str = "", carrier: Any = None, request_timeout: float = 2.0) -> Iterator[DynamoDoor]:
    store = FakeStore()
    store.serving = False
    store.known_leader = LEADER
    dynamo_map = {LEADER.address: dynamo_address} if dynamo_address else {}
    with running_door(store=store, dynamo_map=dynamo_map, carrier=carrier, request_timeout=request_timeout) as door:
        yield door


@pytest.fixture
def leader() -> Iterator[DynamoDoor]:
    with running_door() as door:
        yield door


def address_of(door: DynamoDoor) -> str:
    return f"127.0.0.1:{door.server.port}"


def test_a_follower_passes_requests_on(leader: DynamoDoor) -> None:
    with follower(address_of(leader)) as near:
        client = near.client(region="eu-west-1")
        made = client.create_table(TableName="abc", **TABLE)["TableDescription"]
        assert made["TableArn"].startswith("arn:aws:dynamodb:eu-west-1:")
        assert client.list_tables()["TableNames"] == ["abc"]
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.describe_table(TableName="nothing")
        assert leader.client().list_tables()["TableNames"] == ["abc"]
        assert near.server.routes[b"DynamoDB_20120810.ListTables"].outcomes == {"ok": 1}
        assert near.server.routes[b"DynamoDB_20120810.DescribeTable"].outcomes == {"ResourceNotFoundException": 1}
        # One connection serves them all, one after the other.
        assert leader.do(lambda: leader.server.figures.connections) == 2


def test_pipelined_requests_are_answered_in_order(leader: DynamoDoor) -> None:
    leader.client().create_table(TableName="abc", **TABLE)
    with follower(address_of(leader)) as near, near.connect() as connection:
        ask = post(b"{}", target="DynamoDB_20120810.ListTables")
        connection.sendall(ask + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + ask)
        connection.shutdown(socket.SHUT_WR)
        said = read_all(connection)
    assert said.count(b'{"TableNames":["abc"]}') == 2
    assert said.index(b"abc") < said.index(b"healthy") < said.rindex(b"abc")


def test_a_request_that_was_passed_on_is_not_passed_on_again() -> None:
    with follower("127.0.0.1:1") as near, near.connect() as connection:
        hop = "x-elastickv-forwarded: 1\r\n"
        connection.sendall(post(b"{}", target="DynamoDB_20120810.ListTables", headers=hop))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"HTTP/1.1 421 ")


def test_who_wants_the_connection_closed_hears_so(leader: DynamoDoor) -> None:
    with follower(address_of(leader)) as near, near.connect() as connection:
        connection.sendall(post(b"{}", target="DynamoDB_20120810.ListTables", close=True))
        assert b"\r\nConnection: close\r\n" in read_all(connection)


def test_nobody_leads() -> None:
    with follower("127.0.0.1:1", request_timeout=0.2) as near:
        near.do(lambda: near.store.change(serving=False, leader=None))
        status, said = near.call("ListTables", {})
        assert (status, said["__type"].partition("#")[2]) == (500, "InternalServerError")


def test_a_leader_that_cannot_be_reached_is_tried_until_the_deadline() -> None:
    with follower("127.0.0.1:1", request_timeout=0.3) as near:
        status, said = near.call("CreateTable", {"TableName": "abc", **TABLE})
        assert status == 500
        assert "no leader answered within the deadline" in said["message"]


def test_a_node_that_begins_to_serve_runs_it_itself() -> None:
    with follower("127.0.0.1:1", request_timeout=5) as near:
        results: list[tuple[int, Any]] = []
        asking = threading.Thread(target=lambda: results.append(near.call("ListTables", {})))
        asking.start()
        while not near.do(lambda: near.server.door.forwarder.forwarded):
            pass
        near.do(lambda: near.store.change(serving=True, leader=LEADER))
        asking.join(10)
        assert results == [(200, {"TableNames": []})]


@contextmanager
def scripted(*answers: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server whose connections do what they are told, one after the other; what they got is recorded."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def run() -> None:
            for answer in answers:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    got.append(connection.recv(1 << 16))
                    answer(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}", got
        finally:
            listening.close()
            thread.join(10)


def hang_up(connection: socket.socket) -> None:
    """The request has come; there is no answer."""


def not_me(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n")


def tables(connection: socket.socket) -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"TableNames":[]}'
    for byte in answer:
        connection.sendall(bytes((byte,)))


def test_a_write_whose_connection_breaks_is_never_repeated() -> None:
    with scripted(hang_up, tables) as (address, got), follower(address) as near:
        status, said = near.call("CreateTable", {"TableName": "abc", **TABLE})
        assert (status, said["__type"].partition("#")[2]) == (500, "InternalServerError")
        assert "outcome unknown" in said["message"]
        assert len(got) == 1


def test_a_read_whose_connection_breaks_is_repeated() -> None:
    with scripted(hang_up, tables) as (address, got), follower(address) as near:
        assert near.call("ListTables", {}) == (200, {"TableNames": []})
        assert len(got) == 2


def test_a_write_that_was_not_executed_is_repeated() -> None:
    with scripted(not_me, tables) as (address, got), follower(address) as near:
        assert near.call("CreateTable", {"TableName": "abc", **TABLE})[0] == 200
        assert len(got) == 2
        assert b"\r\nx-elastickv-forwarded: 1\r\n" in got[0]


class FakeCarrier:
    """Carries into another door, or fails as it is told."""

    def __init__(self, *faults: Fault, to: DynamoDoor | None = None) -> None:
        self.faults = list(faults)
        self.to = to
        self.calls = 0

    async def carry(self, leader: Leader, request: bytes, *, write: bool, timeout: float) -> bytes:
        self.calls += 1
        if self.faults:
            raise KvError(self.faults.pop(0), "as told")
        assert self.to is not None
        far = asyncio.run_coroutine_threadsafe(self.to.server.serve_carried(request), self.to.loop)
        return await asyncio.wrap_future(far)


def test_without_a_map_requests_travel_over_the_raft_address(leader: DynamoDoor) -> None:
    carrier = FakeCarrier(Fault.NOT_LEADER, to=leader)
    with follower(carrier=carrier) as near:
        client = near.client()
        client.create_table(TableName="abc", **TABLE)
        assert client.list_tables()["TableNames"] == ["abc"]
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.describe_table(TableName="nothing")
        assert carrier.calls == 4


def test_a_carried_write_of_unknown_outcome_is_not_repeated() -> None:
    carrier = FakeCarrier(Fault.OUTCOME_UNKNOWN, Fault.OUTCOME_UNKNOWN)
    with follower(carrier=carrier) as near:
        assert near.call("CreateTable", {"TableName": "abc", **TABLE})[0] == 500
        assert carrier.calls == 1


def test_a_carried_request_waits_for_its_ticket(leader: DynamoDoor) -> None:
    leader.store.hold = True
    with follower(carrier=FakeCarrier(to=leader)) as near:
        results: list[tuple[int, Any]] = []
        request = {"TableName": "abc", **TABLE}
        asking = threading.Thread(target=lambda: results.append(near.call("CreateTable", request)))
        asking.start()
        while not leader.do(lambda: len(leader.store.tickets)):
            pass
        assert not results
        leader.do(lambda: leader.store.tickets[0].fail(KvError(Fault.OUTCOME_UNKNOWN)))
        asking.join(10)
        assert results[0][0] == 500


def test_nobody_knows_the_way() -> None:
    with follower(request_timeout=0.2) as near:
        assert near.call("ListTables", {})[0] == 500
