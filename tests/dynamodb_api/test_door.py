"""What the door says to anything that comes over a socket, byte by byte where AWS' answers are known that well."""

from __future__ import annotations

import gzip
import re
import socket
import time
import zlib
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from elastickv.config import Address, DynamoSettings
from elastickv.errors import Fault, KvError
from tests.kit.dynamo_door import DynamoDoor, parse, post, read_all, running_door

LIST = post(b"{}", target="DynamoDB_20120810.ListTables")
TABLES = b'{"TableNames":[]}'


def exchange(door: DynamoDoor, data: bytes) -> bytes:
    with door.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def without_ids(response: bytes) -> bytes:
    return re.sub(rb"x-amzn-RequestId: [0-9A-Z]{52}", b"x-amzn-RequestId: ID", response)


def test_the_health_check_is_aws_own(door: DynamoDoor) -> None:
    assert without_ids(exchange(door, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) == (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nConnection: keep-alive\r\nContent-Length: 42\r\n"
        b"x-amz-crc32: 3128867991\r\nx-amzn-RequestId: ID\r\n\r\nhealthy: dynamodb.us-east-1.amazonaws.com "
    )
    named = exchange(door, b"GET / HTTP/1.1\r\nHost: dynamodb.eu-west-1.amazonaws.com\r\n\r\n")
    assert named.endswith(b"\r\n\r\nhealthy: dynamodb.eu-west-1.amazonaws.com ")
    head = exchange(door, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"Content-Length: 42\r\n" in head
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_no_operation_at_all(door: DynamoDoor, request_: bytes) -> None:
    assert without_ids(exchange(door, request_)) == (
        b"HTTP/1.1 404 Not Found\r\nServer: Server\r\nConnection: keep-alive\r\nContent-Length: 29\r\n"
        b"x-amz-crc32: 3552371480\r\nx-amzn-RequestId: ID\r\n\r\n<UnknownOperationException/>\n"
    )


def test_a_browser_may_ask_before(door: DynamoDoor) -> None:
    asked = (
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Headers: x-amz-target\r\n"
        b"Access-Control-Request-Method: POST\r\n\r\n"
    )
    assert without_ids(exchange(door, asked)) == (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nAccess-Control-Allow-Origin: *\r\n"
        b"Access-Control-Allow-Headers: x-amz-target\r\nAccess-Control-Allow-Methods: POST\r\n"
        b"Access-Control-Max-Age: 172800\r\nConnection: keep-alive\r\nContent-Length: 0\r\nx-amzn-RequestId: ID\r\n\r\n"
    )
    from_a_page = post(b"{}", target="DynamoDB_20120810.ListTables", headers="Origin: http://b\r\n")
    assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in exchange(door, from_a_page)


@pytest.mark.parametrize(
    ("body", "target", "answer"),
    [
        (b"{", "DynamoDB_20120810.ListTables", "SerializationException"),
        (b"", "DynamoDB_20120810.ListTables", "SerializationException"),
        (b"[]", "DynamoDB_20120810.ListTables", "SerializationException"),
        (b"{}", "DynamoDB_20120810.Nonsense", "UnknownOperationException"),
        (b"{}", "DynamoDB_20111205.ListTables", "UnknownOperationException"),
        (b"{}", "ListTables", "UnknownOperationException"),
        (b"", "", "UnknownOperationException"),
        (b"{", "Nonsense", "SerializationException"),
    ],
)
def test_what_is_wrong_before_any_operation(door: DynamoDoor, body: bytes, target: str, answer: str) -> None:
    status, said = parse(exchange(door, post(body, target=target)))
    assert (status, said) == (400, {"__type": f"com.amazon.coral.service#{answer}"})


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/json; charset=UTF-8"],
)
def test_content_types(door: DynamoDoor, content_type: str) -> None:
    said = exchange(door, LIST.replace(b"application/x-amz-json-1.0", content_type.encode()))
    assert said.endswith(TABLES)
    assert b"Content-Type: " + content_type.partition(";")[0].encode() + b"\r\n" in said
    assert b"x-amz-crc32: %d\r\n" % zlib.crc32(TABLES) in said


def test_answers_come_in_the_order_of_the_requests(door: DynamoDoor) -> None:
    with door.connect() as connection:
        nonsense = post(b"{}", target="Nonsense")
        connection.sendall(LIST + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + nonsense + LIST)
        connection.shutdown(socket.SHUT_WR)
        said = read_all(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"200", b"400", b"200"]
    assert said.index(b"healthy") < said.index(b"UnknownOperation")


def test_a_request_may_come_in_pieces(door: DynamoDoor) -> None:
    with door.connect() as connection:
        for one in LIST:
            connection.sendall(bytes((one,)))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).endswith(TABLES)


def test_compressed_and_chunked_bodies(door: DynamoDoor) -> None:
    packed = gzip.compress(b"{}")
    target = "DynamoDB_20120810.ListTables"
    assert exchange(door, post(packed, target=target, headers="Content-Encoding: gzip\r\n")).endswith(TABLES)
    chunked = LIST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").replace(b"{}", b"2\r\n{}\r\n0\r\n\r\n")
    assert exchange(door, chunked).endswith(TABLES)


def test_a_client_that_waits_is_told_to_go_on(door: DynamoDoor) -> None:
    with door.connect() as connection:
        connection.sendall(LIST.replace(b"\r\n\r\n{}", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).endswith(TABLES)


def test_a_body_over_16_mb_is_a_bare_413_and_the_end(door: DynamoDoor) -> None:
    with door.connect() as connection:
        connection.sendall(LIST.replace(b"Content-Length: 2", b"Content-Length: 16777217"))
        said = read_all(connection)
    assert said.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n")
    assert b"Connection: close\r\n" in said
    assert said.endswith(b"\r\n\r\n")


def test_a_body_of_just_16_mb_is_read(door: DynamoDoor) -> None:
    body = b'{"x":"' + b"x" * ((16 << 20) - 8) + b'"}'
    assert len(body) == 16 << 20
    assert exchange(door, post(body, target="DynamoDB_20120810.ListTables")).endswith(TABLES)


def test_who_asks_for_the_end_gets_it(door: DynamoDoor) -> None:
    with door.connect() as connection:
        connection.sendall(post(b"{}", target="DynamoDB_20120810.ListTables", close=True) + LIST)
        said = read_all(connection)
    assert said.count(b"HTTP/1.1") == 1
    assert b"Connection: close\r\n" in said


def test_nonsense_is_answered_and_ends(door: DynamoDoor) -> None:
    with door.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01nonsense\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_connections_over_the_limit_are_closed_at_once() -> None:
    settings = DynamoSettings(address=Address("127.0.0.1", 0), max_connections=1)
    with running_door(settings=settings) as door, door.connect() as first:
        first.sendall(LIST)
        assert first.recv(1 << 16).endswith(TABLES)
        with door.connect() as second:
            assert second.recv(1) == b""
        assert door.do(lambda: (door.server.figures.connections, door.server.figures.rejected)) == (1, 1)


def test_idle_connections_end_and_busy_ones_do_not() -> None:
    settings = DynamoSettings(address=Address("127.0.0.1", 0), idle_timeout=0.05)
    with running_door(settings=settings) as door:
        door.store.hold_reads = True
        with door.connect() as idle, door.connect() as half, door.connect() as busy:
            half.sendall(LIST[:20])
            busy.sendall(LIST)
            assert idle.recv(1) == b""
            assert half.recv(1) == b""
            door.do(door.store.tickets[0].release)
            assert busy.recv(1 << 16).endswith(TABLES)


# what answers wait for


def wait_for_ticket(door: DynamoDoor, count: int = 1) -> None:
    for _ in range(1000):
        if door.do(lambda: len(door.store.tickets)) >= count:
            return
        time.sleep(0.005)
    raise AssertionError("nothing was settled")


CREATE = post(
    orjson.dumps(
        {
            "TableName": "abc",
            "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
    ),
    target="DynamoDB_20120810.CreateTable",
)


def test_all_requests_of_a_burst_wait_for_one_ticket(door: DynamoDoor) -> None:
    door.store.hold = True
    with door.connect() as connection:
        connection.sendall(CREATE + LIST + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for_ticket(door)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        assert door.do(lambda: len(door.store.tickets)) == 1
        door.do(door.store.tickets[0].release)
        connection.shutdown(socket.SHUT_WR)
        said = read_all(connection)
    assert said.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        (Fault.OUTCOME_UNKNOWN, 500, "InternalServerError"),
        (Fault.NO_QUORUM, 500, "InternalServerError"),
        (Fault.DISK_FULL, 500, "InternalServerError"),
        (Fault.OVERLOAD, 400, "ProvisionedThroughputExceededException"),
    ],
)
def test_a_batch_that_fails_fails_its_requests(door: DynamoDoor, fault: Fault, status: int, name: str) -> None:
    door.store.hold = True
    with door.connect() as connection:
        connection.sendall(CREATE)
        wait_for_ticket(door)
        door.do(lambda: door.store.tickets[0].fail(KvError(fault)))
        connection.shutdown(socket.SHUT_WR)
        got, said = parse(read_all(connection))
    assert (got, said["__type"].partition("#")[2]) == (status, name)


def test_what_is_provably_not_in_the_log_is_run_again(door: DynamoDoor) -> None:
    door.store.hold = True
    with door.connect() as connection:
        connection.sendall(LIST)
        connection.sendall(CREATE)
        wait_for_ticket(door)
        door.do(door.store.engine.data.clear)  # as when the batch was dropped with its leader
        door.do(lambda: door.store.tickets.pop().fail(KvError(Fault.NOT_LEADER)))
        wait_for_ticket(door)
        door.do(door.store.tickets[0].release)
        connection.shutdown(socket.SHUT_WR)
        said = read_all(connection)
    assert said.count(b"HTTP/1.1 200") == 2
    assert b'"TableStatus":"CREATING"' in said


def test_a_defect_is_an_internal_error_without_details(door: DynamoDoor, dynamodb: Any, monkeypatch: Any) -> None:
    route = door.server.routes[b"DynamoDB_20120810.ListTables"]

    def fail(call: object) -> dict[str, Any]:
        raise RuntimeError("secret")

    monkeypatch.setattr(route, "body", fail)
    with pytest.raises(ClientError, match="InternalServerError") as caught:
        dynamodb.list_tables()
    assert "secret" not in str(caught.value.response)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_operations_are_counted_by_outcome(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.list_tables()
    with pytest.raises(ClientError):
        dynamodb.describe_table(TableName="abc")
    routes = door.server.routes
    assert routes[b"DynamoDB_20120810.ListTables"].outcomes == {"ok": 1}
    assert routes[b"DynamoDB_20120810.DescribeTable"].outcomes == {"ResourceNotFoundException": 1}
    assert sum(routes[b"DynamoDB_20120810.ListTables"].durations.counts) == 1
