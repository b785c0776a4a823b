from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Effects(_message.Message):
    __slots__ = ("range_starts", "range_ends", "deletes", "put_keys", "put_values", "timestamp")
    RANGE_STARTS_FIELD_NUMBER: _ClassVar[int]
    RANGE_ENDS_FIELD_NUMBER: _ClassVar[int]
    DELETES_FIELD_NUMBER: _ClassVar[int]
    PUT_KEYS_FIELD_NUMBER: _ClassVar[int]
    PUT_VALUES_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    range_starts: _containers.RepeatedScalarFieldContainer[bytes]
    range_ends: _containers.RepeatedScalarFieldContainer[bytes]
    deletes: _containers.RepeatedScalarFieldContainer[bytes]
    put_keys: _containers.RepeatedScalarFieldContainer[bytes]
    put_values: _containers.RepeatedScalarFieldContainer[bytes]
    timestamp: int
    def __init__(self, range_starts: _Optional[_Iterable[bytes]] = ..., range_ends: _Optional[_Iterable[bytes]] = ..., deletes: _Optional[_Iterable[bytes]] = ..., put_keys: _Optional[_Iterable[bytes]] = ..., put_values: _Optional[_Iterable[bytes]] = ..., timestamp: _Optional[int] = ...) -> None: ...
