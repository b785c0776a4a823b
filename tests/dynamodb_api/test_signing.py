"""SigV4, with botocore as the signer and its requests bent one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from elastickv.clock import SystemClock
from elastickv.config import Address, DynamoSettings
from elastickv.dynamodb_api.errors import ApiError
from elastickv.dynamodb_api.request import Request
from elastickv.dynamodb_api.signing import Credentials as Known
from elastickv.dynamodb_api.signing import CredentialsError, Verifier, read_credentials
from tests.kit.dynamo_door import DynamoDoor, running_door
from tests.kit.fake_redis_store import FakeStore

KNOWN = {"AKIAONE": Known("one/secret+"), "ASIATWO": Known("two", "token")}
TARGET = "DynamoDB_20120810.ListTables"


def signed(
    *,
    key: str = "AKIAONE",
    secret: str = "one/secret+",
    token: str | None = None,
    service: str = "dynamodb",
    region: str = "us-east-1",
    url: str = "http://localhost:8000/",
    body: bytes = b"{}",
    query: bool = False,
) -> Request:
    headers = {"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.0", "Host": "localhost:8000"}
    outgoing = AWSRequest("POST", url, headers, body)
    (SigV4QueryAuth if query else SigV4Auth)(Credentials(key, secret, token), service, region).add_auth(outgoing)
    request = Request()
    request.method = b"POST"
    request.url = outgoing.prepare().url.removeprefix("http://localhost:8000").encode()
    request.encoded_body = request.body = body
    for name, value in outgoing.headers.items():
        set_header(request, name, value)
    return request


def set_header(request: Request, name: str, value: str) -> None:
    key = name.lower().encode()
    request.header_list = [pair for pair in request.header_list if pair[0].lower() != key]
    request.header_list.append((name.encode(), value.encode()))
    request.headers[key] = value.encode()


def refusal(request: Request) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        Verifier(KNOWN, SystemClock()).verify(request)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "mars-north-7"])
def test_what_botocore_signs_is_accepted_for_every_region(region: str) -> None:
    verifier = Verifier(KNOWN, SystemClock())
    for _ in range(2):
        verifier.verify(signed(region=region))
    verifier.verify(signed(region=region, query=True, body=b""))  # botocore moves a body into the query
    verifier.verify(signed(key="ASIATWO", secret="two", token="token", region=region))
    verifier.verify(signed(url="http://localhost:8000/a%20b/c?x=1&y=%C3%A9&a="))


def test_the_body_is_part_of_it() -> None:
    request = signed()
    request.encoded_body = b"{ }"
    code, message = refusal(request)
    assert code == "InvalidSignatureException"
    assert message.startswith(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this "
        "request should have been\n'POST\n/\n\n"
    )
    assert "\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n" in message
    assert "one/secret" not in message


def test_every_signed_header_is_part_of_it_and_others_are_not() -> None:
    request = signed()
    set_header(request, "X-Something", "else")
    Verifier(KNOWN, SystemClock()).verify(request)
    set_header(request, "X-Amz-Target", "DynamoDB_20120810.DeleteTable")
    assert refusal(request)[0] == "InvalidSignatureException"


def test_unknown_keys_and_wrong_secrets_and_tokens() -> None:
    invalid = "The security token included in the request is invalid"
    assert refusal(signed(key="AKIANOBODY")) == ("UnrecognizedClientException", f"{invalid}.")
    assert refusal(signed(secret="wrong"))[0] == "InvalidSignatureException"
    assert refusal(signed(key="ASIATWO", secret="two", token="other")) == ("UnrecognizedClientException", invalid)
    assert refusal(signed(key="ASIATWO", secret="two")) == ("UnrecognizedClientException", invalid)
    assert refusal(signed(token="unasked")) == ("UnrecognizedClientException", invalid)


def test_no_signature_at_all() -> None:
    request = signed()
    for header in (b"", b"Basic dXNlcjpwYXNz"):
        request.headers[b"authorization"] = header
        assert refusal(request) == ("MissingAuthenticationTokenException", "Request is missing Authentication Token")


def test_two_signatures() -> None:
    request = signed()
    request.url = b"/?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    assert refusal(request) == (
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    )


def test_parts_that_are_missing_are_all_named() -> None:
    request = signed()
    request.headers[b"authorization"] = b"AWS4-HMAC-SHA256 Credential=a"
    del request.headers[b"x-amz-date"]
    assert refusal(request) == (
        "IncompleteSignatureException",
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        "Authorization=AWS4-HMAC-SHA256 Credential=a",
    )
    request = Request()
    request.url = b"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=b"
    assert refusal(request) == (
        "IncompleteSignatureException",
        "AWS query-string parameters must include 'X-Amz-Signature'. "
        "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
    )


def test_a_pair_without_equal_sign() -> None:
    request = signed()
    request.headers[b"authorization"] = b"AWS4-HMAC-SHA256 Signature=b,    Credential,    SignedHeaders"
    code, message = refusal(request)
    assert code == "IncompleteSignatureException"
    assert message.startswith("'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: '")


def bend(request: Request, old: str, new: str) -> Request:
    header = request.headers[b"authorization"].replace(old.encode(), new.encode())
    assert header != request.headers[b"authorization"]
    request.headers[b"authorization"] = header
    return request


def test_scope_and_algorithm() -> None:
    assert refusal(bend(signed(), "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA25")) == (
        "IncompleteSignatureException",
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ",
    )
    assert refusal(bend(signed(), "/us-east-1/dynamodb", "/us-east-1"))[1].startswith(
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIAONE/"
    )
    assert refusal(signed(service="s3")) == (
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'dynamodb'.",
    )
    assert refusal(bend(signed(), "aws4_request", "e")) == (
        "InvalidSignatureException",
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'e'.",
    )
    today = datetime.now(UTC).strftime("%Y%m%d")
    assert refusal(bend(signed(), f"AKIAONE/{today}", "AKIAONE/20200101"))[1].startswith(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20200101' != "
    )
    assert refusal(bend(signed(), "host;", "")) == (
        "InvalidSignatureException",
        "'Host' must be a 'SignedHeader' in the AWS Authorization.",
    )


def test_the_time_must_be_near() -> None:
    request = signed()
    set_header(request, "X-Amz-Date", "201")
    assert refusal(request) == (
        "IncompleteSignatureException",
        "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601",
    )
    for minutes, words in ((-16, "Signature expired: "), (16, "Signature not yet current: ")):
        moment = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
        set_header(request, "X-Amz-Date", moment)
        code, message = refusal(request)
        assert code == "InvalidSignatureException"
        assert message.startswith(words + moment)
        assert message.endswith(" 15 min.)")


# the file


def test_the_file_of_credentials(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("# ours\nAKIAONE one/secret+\n\n  ASIATWO two token\n")
    assert read_credentials(file) == KNOWN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no credentials"),
        ("AKIAONE\n", "line 1 of"),
        ("AKIAONE a b c\n", "line 1 of"),
        ("AKIAONE hush\nAKIAONE hush\n", "line 2 of"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "credentials"
    file.write_text(text)
    with pytest.raises(CredentialsError, match=words) as caught:
        read_credentials(file)
    assert "hush" not in str(caught.value)
    with pytest.raises(CredentialsError, match="cannot be read"):
        read_credentials(tmp_path / "missing")


# the door


@pytest.fixture
def closed_door(tmp_path: Path) -> Iterator[DynamoDoor]:
    file = tmp_path / "credentials"
    file.write_text("AKIAONE one/secret+\n")
    settings = DynamoSettings(address=Address("127.0.0.1", 0), credentials_file=file)
    with running_door(settings=settings, store=FakeStore(wall_ms=SystemClock().wall_ms())) as door:
        yield door


def test_boto3_with_and_without_the_right_secret(closed_door: DynamoDoor) -> None:
    friend: Any = closed_door.client(aws_access_key_id="AKIAONE", aws_secret_access_key="one/secret+")
    assert friend.list_tables()["TableNames"] == []
    for options, code in (
        ({"aws_access_key_id": "AKIAONE", "aws_secret_access_key": "wrong"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIATWO", "aws_secret_access_key": "x"}, "UnrecognizedClientException"),
    ):
        stranger: Any = closed_door.client(**options)
        with pytest.raises(ClientError) as caught:
            stranger.list_tables()
        assert caught.value.response["Error"]["Code"] == code
    assert closed_door.call("ListTables", {})[1]["__type"].endswith("#MissingAuthenticationTokenException")


def test_the_health_check_needs_no_signature(closed_door: DynamoDoor) -> None:
    with closed_door.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"healthy" in connection.recv(1 << 16)
