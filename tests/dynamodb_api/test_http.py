"""Requests cut out of bytes, however the bytes come."""

from __future__ import annotations

import gzip
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api.http import (
    JSON,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    RequestReader,
    answer,
    cors_headers,
    fine,
    request_id,
)
from elastickv.dynamodb_api.request import Request

BODY = b'{"TableName":"abc"}'
PLAIN = b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: T\r\nContent-Length: 19\r\n\r\n" + BODY
CHUNKED = (
    b"POST /?x=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"a\r\n" + BODY[:10] + b"\r\n9\r\n" + BODY[10:] + b"\r\n0\r\n\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def read(*pieces: bytes) -> list[Request]:
    reader = RequestReader()
    return [request for piece in pieces for request in reader.feed(piece)]


def seen(requests: list[Request]) -> list[tuple[bytes, bytes, bytes, bool, int]]:
    return [(one.method, one.url, one.body, one.keep_alive, one.problem) for one in requests]


def test_requests_follow_each_other() -> None:
    assert seen(read(PLAIN + GET + CHUNKED)) == [
        (b"POST", b"/", BODY, True, 0),
        (b"GET", b"/", b"", True, 0),
        (b"POST", b"/?x=1", BODY, True, 0),
    ]


@given(st.lists(st.sampled_from([PLAIN, CHUNKED, GET]), min_size=1, max_size=4), st.data())
def test_cutting_the_stream_anywhere_changes_nothing(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert seen(read(*pieces)) == seen(read(*messages))


def test_byte_by_byte() -> None:
    assert seen(read(*(bytes((one,)) for one in PLAIN + CHUNKED))) == seen(read(PLAIN, CHUNKED))


def test_connection_handling() -> None:
    assert [one.keep_alive for one in read(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))] == [False]
    assert [one.keep_alive for one in read(b"GET / HTTP/1.0\r\n\r\n")] == [False]
    assert [one.keep_alive for one in read(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")] == [True]


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"x-gzip", gzip.compress), (b"identity", bytes)],
)
def test_compressed_bodies(encoding: bytes, encode: object) -> None:
    assert callable(encode)
    packed = encode(BODY)
    (one,) = read(
        b"POST / HTTP/1.1\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (encoding, len(packed), packed)
    )
    assert (one.body, one.encoded_body, one.problem) == (BODY, packed, 0)


@pytest.mark.parametrize("broken", [b"no gzip at all", gzip.compress(BODY)[:-5]])
def test_bodies_that_do_not_decompress(broken: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(broken)
    assert [one.problem for one in read(head + broken)] == [400]


def test_an_unknown_encoding_is_refused() -> None:
    assert [one.problem for one in read(PLAIN.replace(b"X-Amz-Target: T", b"Content-Encoding: br"))] == [400]


def test_a_small_body_that_becomes_large_is_refused() -> None:
    bomb = gzip.compress(bytes(MAX_BODY_BYTES + 1))
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    assert [(one.problem, one.keep_alive) for one in read(head + bomb)] == [(413, False)]


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    assert [one.problem for one in read(head % (MAX_BODY_BYTES + 1))] == [413]
    assert read(head % MAX_BODY_BYTES) == []


def test_a_chunked_body_that_grows_too_large_is_refused() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for _ in range(16):
        assert not reader.feed(chunk)
    assert [one.problem for one in reader.feed(chunk)] == [413]
    assert not reader.feed(chunk), "nothing more is read"


@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_a_head_without_end_is_refused(piece: int) -> None:
    pieces = [b"POST / HTTP/1.1\r\nX: ", *[b"x" * piece] * (MAX_HEAD_BYTES // piece + 1)]
    assert [one.problem for one in read(*pieces)] == [431]


def test_too_many_headers_are_refused() -> None:
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % number for number in range(300)) + b"\r\n"
    assert [one.problem for one in read(head)] == [431]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"hello there\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(nonsense: bytes) -> None:
    assert [one.problem for one in read(nonsense)] == [400]


def test_a_client_may_wait_to_be_told_to_go_on() -> None:
    reader = RequestReader()
    reader.feed(PLAIN[:-19].replace(b"Host: a", b"Expect: 100-Continue"))
    assert reader.wants_continue
    assert reader.inside
    (request,) = reader.feed(BODY)
    assert (reader.wants_continue, reader.inside, request.body) == (False, False, BODY)


@pytest.mark.parametrize(
    ("header", "region"),
    [
        (b"AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=a", "eu-west-1"),
        (b"AWS4-HMAC-SHA256 Credential=AK", "us-east-1"),
        (b"Basic x", "us-east-1"),
    ],
)
def test_the_region_comes_from_the_credential_scope(header: bytes, region: str) -> None:
    request = Request()
    assert request.region == "us-east-1"
    request.headers[b"authorization"] = header
    assert request.region == region
    presigned = Request()
    presigned.url = b"/?X-Amz-Credential=AK%2F20260101%2Feu-north-1%2Fdynamodb%2Faws4_request&X-Amz-Date=1"
    assert presigned.region == "eu-north-1"


def test_an_answer_is_whole_and_checked() -> None:
    whole = answer(200, b"{}")
    head, body = whole.split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert body == b"{}"
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Length: 2" in lines
    assert b"x-amz-crc32: %d" % zlib.crc32(b"{}") in lines
    assert b"Content-Type: application/x-amz-json-1.0" in lines


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("headers", [{}, {b"origin": b"https://a"}])
def test_fine_answers_are_like_others(keep_alive: bool, headers: dict[bytes, bytes]) -> None:
    request = Request()
    request.keep_alive = keep_alive
    request.headers = headers

    def anonymous(whole: bytes) -> bytes:
        return re.sub(rb"RequestId: \w{52}\r", b"RequestId: \r", whole)

    usual = answer(200, b"{}", content_type=JSON, keep_alive=keep_alive, headers=cors_headers(request))
    assert anonymous(fine(b"{}", request, JSON)) == anonymous(usual)
    assert b"RequestId: \r" in anonymous(usual)


def test_request_ids_look_like_those_of_aws() -> None:
    one, other = request_id(), request_id()
    assert one != other
    assert len(one) == 52
    assert one.isalnum()
    assert one.upper() == one
