"""The short way to a request against the parser: what it takes, it takes as the parser would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api.http import RequestReader
from elastickv.dynamodb_api.request import MAX_HEADERS, PlainRequest, Request, plain_request

BODY = b'{"TableName":"abc"}'
BOTO3 = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAccept-Encoding: identity\r\n"
    b"X-Amz-Target: DynamoDB_20120810.GetItem\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nUser-Agent: Boto3/1.40.1 md/Botocore#1.40.1 lang/python#3.11.7\r\n"
    b"X-Amz-Date: 20260101T000000Z\r\n"
    b"Authorization: AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/dynamodb/aws4_request,"
    b" SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=00\r\n"
    b"amz-sdk-invocation-id: 01234567-0123\r\namz-sdk-request: attempt=1\r\nContent-Length: 19\r\n\r\n" + BODY
)
LINES = [
    b"Host: a",
    b"host: a:8000  ",
    b"Content-Length: 19",
    b"content-length: 19",
    b"Content-Length: 0",
    b"Content-Length: 020",
    b"Content-Length: 99999999",
    b"Content-Length: +19",
    b"X-Amz-Target: DynamoDB_20120810.GetItem",
    b"x-amz-target: other",
    b"X-AMZ-TARGET: x",
    b"X-Amz-Target:  x",
    b"X-Amz-Target: ",
    b"Content-Type: application/x-amz-json-1.0",
    b"content-type: application/json",
    b"Content-Type: application/json; charset=utf-8",
    b"Content-Type: text/plain",
    b"User-Agent: \xff\t",
    b"User-Agent:",
    b"User-Agent: a\x00b",
    b"User-Agent: a\nb",
    b"User-Agent : a",
    b"Accept: */*",
    b" folded",
    b"no colon",
    b"Connection: keep-alive",
    b"Connection: close",
    b"connection: Keep-Alive, Upgrade",
    b"Upgrade: x",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Origin: http://a",
    b"x-elastickv-forwarded: 1",
    b"x-elastickv-forwarded: 0",
    b"Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=x",
]
STARTS = [b"POST / HTTP/1.1", b"POST / HTTP/1.0", b"POST /?a HTTP/1.1", b"GET / HTTP/1.1", b"post / HTTP/1.1"]


def with_parser(data: bytes) -> list[Request]:
    """In two pieces, of which neither is a whole request."""
    reader = RequestReader()
    return reader.feed(data[:1]) + reader.feed(data[1:])


def known(request: Request) -> tuple[object, ...]:
    return (
        (request.method, request.url, request.header_list, request.headers, request.body, request.encoded_body),
        (request.keep_alive, request.problem, request.target, request.content_type, request.region),
        (request.forwarded, request.cross_origin),
    )


def test_what_boto3_sends_is_plain() -> None:
    request = plain_request(BOTO3)
    assert request is not None
    assert (request.target, request.body, request.region) == (b"DynamoDB_20120810.GetItem", BODY, "eu-west-1")
    assert not request.forwarded
    assert [known(one) for one in with_parser(BOTO3)] == [known(request)]


@given(
    st.sampled_from(STARTS[:1] * 6 + STARTS[1:]),
    st.lists(st.sampled_from(LINES[:1] + LINES[2:3] + LINES[8:9] + LINES[13:14]), max_size=5, unique=True),
    st.lists(st.sampled_from(LINES), max_size=3),
    st.sampled_from([BODY, BODY, b"", BODY + b"\n", BODY + BOTO3]),
    st.data(),
)
def test_what_is_plain_is_what_the_parser_reads(
    start: bytes, usual: list[bytes], others: list[bytes], body: bytes, data: st.DataObject
) -> None:
    lines = data.draw(st.permutations(usual + others))
    whole = b"\r\n".join([start, *lines, b"", body])
    plain = plain_request(whole)
    if plain is not None:
        assert [known(one) for one in with_parser(whole)] == [known(plain)]


@pytest.mark.parametrize("line", [b"Content-Length: 19", b"X-Amz-Target: x", b"Content-Type: application/json"])
def test_lines_that_come_twice_are_for_the_parser(line: bytes) -> None:
    assert plain_request(BOTO3.replace(b"Host: 127.0.0.1:8000", line)) is None


def test_many_lines_are_for_the_parser_to_count() -> None:
    def with_hosts(number: int) -> bytes:
        return BOTO3.replace(b"Host: 127.0.0.1:8000", b"\r\n".join([b"Host: a"] * number))

    others = 9
    assert plain_request(with_hosts(MAX_HEADERS - others)) is not None
    assert plain_request(with_hosts(MAX_HEADERS - others + 1)) is None
    assert [one.problem for one in RequestReader().feed(with_hosts(MAX_HEADERS - others + 1))] == [431]


def test_plain_requests_and_others_follow_each_other() -> None:
    reader = RequestReader()
    other = BOTO3.replace(b"Accept-Encoding", b"X-Other")
    assert [type(one) for one in reader.feed(BOTO3)] == [PlainRequest]
    assert [one.body for one in reader.feed(other)] == [BODY]
    assert reader.feed(other + BOTO3[:100])[0].body == BODY
    assert reader.inside is True
    # In the middle of a request nothing is plain, whatever the bytes look like.
    assert not reader.feed(BOTO3[100:-19])
    assert [(type(one), one.body) for one in reader.feed(BODY)] == [(Request, BODY)]
    assert [type(one) for one in reader.feed(BOTO3)] == [PlainRequest]
    assert [one.problem for one in reader.feed(b"\x00" + BOTO3)] == [400]
    assert not reader.feed(BOTO3), "nothing more is read"


@pytest.mark.parametrize(("name", "there"), [("header_list", True), ("headerlist", False)])
def test_only_names_of_requests_are_there(name: str, there: bool) -> None:
    assert hasattr(plain_request(BOTO3), name) == there
