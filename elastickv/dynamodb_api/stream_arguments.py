"""What the operations on streams have in common: ARNs, shard iterators, sequence numbers.

An iterator carries all it means: the stream, the position, and when it was handed out (it is good for 15 minutes). No
node keeps anything, so any node can go on with it.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from struct import Struct
from struct import error as StructError
from typing import Final

from elastickv.dynamodb_api.arns import stream_arn
from elastickv.dynamodb_api.errors import (
    ExpiredIteratorException,
    ResourceNotFoundException,
    ValidationException,
)
from elastickv.dynamodb_api.registry import Call
from elastickv.dynamodb_api.shapes import String
from elastickv.dynamodb_api.streams import Stream, find_stream

STREAM_ARN: Final = String(min=37, max=1024)
SHARD_ID: Final = String(min=28, max=65)
SEQUENCE_NUMBER: Final = String(min=21, max=40)
ITERATOR_MS: Final = 15 * 60 * 1000

_ARN: Final = re.compile(r"arn:aws[a-z-]*:dynamodb:([^:]+):(\d+):table/([a-zA-Z0-9_.-]{3,255})/stream/([0-9T:.-]+)")
_ITERATOR: Final = Struct(">QQ")
_DIGITS: Final = 21


def sequence_number(stamp: int) -> str:
    """As text: decimal, all of one length, in the order of the numbers."""
    return f"{stamp:0{_DIGITS}d}"


def parse_sequence_number(text: str) -> int:
    if not text.isdigit():
        raise ValidationException(f"Invalid SequenceNumber: {text}")
    return min(int(text), (1 << 64) - 1)


def named(arn: str) -> tuple[str, str, str]:
    """(region, table, label) of a stream's ARN."""
    parts = _ARN.fullmatch(arn)
    if parts is None:
        raise ValidationException(f"Invalid StreamArn: {arn}")
    return parts[1], parts[3], parts[4]


def stream_of(call: Call, arn: str) -> Stream:
    """The stream that an ARN names; ResourceNotFoundException when there is none."""
    _, table, label = named(arn)
    found = find_stream(call.view, table, label)
    if found is None:
        raise ResourceNotFoundException(f"Requested resource not found: Stream: {arn} not found")
    return found


def make_iterator(call: Call, stream: Stream, position: int) -> str:
    token = urlsafe_b64encode(_ITERATOR.pack(position, call.now_ms)).decode()
    return f"{stream_arn(call.region, stream.table, stream.label)}|1|{token}"


def parse_iterator(call: Call, iterator: str) -> tuple[Stream, int]:
    """The stream and the position in it."""
    arn, _, rest = iterator.partition("|1|")
    try:
        _, table, label = named(arn)
        position, issued_ms = _ITERATOR.unpack(urlsafe_b64decode(rest))
    except (ValidationException, StructError, ValueError):
        raise ValidationException("Invalid ShardIterator") from None
    if call.now_ms - issued_ms > ITERATOR_MS:
        raise ExpiredIteratorException("The shard iterator has expired: it was handed out more than 15 minutes ago")
    found = find_stream(call.view, table, label)
    if found is None:
        raise ResourceNotFoundException("Requested resource not found: the iterator's stream does not exist any more")
    return found, position
