from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RawPutRequest(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class RawPutResponse(_message.Message):
    __slots__ = ("commit_index", "success")
    COMMIT_INDEX_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    commit_index: int
    success: bool
    def __init__(self, commit_index: _Optional[int] = ..., success: _Optional[bool] = ...) -> None: ...

class RawGetRequest(_message.Message):
    __slots__ = ("key", "ts", "group_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TS_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    ts: int
    group_id: int
    def __init__(self, key: _Optional[bytes] = ..., ts: _Optional[int] = ..., group_id: _Optional[int] = ...) -> None: ...

class RawGetResponse(_message.Message):
    __slots__ = ("read_at_index", "value", "exists")
    READ_AT_INDEX_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    read_at_index: int
    value: bytes
    exists: bool
    def __init__(self, read_at_index: _Optional[int] = ..., value: _Optional[bytes] = ..., exists: _Optional[bool] = ...) -> None: ...

class RawDeleteRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    def __init__(self, key: _Optional[bytes] = ...) -> None: ...

class RawDeleteResponse(_message.Message):
    __slots__ = ("commit_index", "success")
    COMMIT_INDEX_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    commit_index: int
    success: bool
    def __init__(self, commit_index: _Optional[int] = ..., success: _Optional[bool] = ...) -> None: ...

class RawLatestCommitTSRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    def __init__(self, key: _Optional[bytes] = ...) -> None: ...

class RawLatestCommitTSResponse(_message.Message):
    __slots__ = ("ts", "exists")
    TS_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    ts: int
    exists: bool
    def __init__(self, ts: _Optional[int] = ..., exists: _Optional[bool] = ...) -> None: ...

class RawScanAtRequest(_message.Message):
    __slots__ = ("start_key", "end_key", "limit", "ts", "reverse", "group_id", "keys_only")
    START_KEY_FIELD_NUMBER: _ClassVar[int]
    END_KEY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TS_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    start_key: bytes
    end_key: bytes
    limit: int
    ts: int
    reverse: bool
    group_id: int
    keys_only: bool
    def __init__(self, start_key: _Optional[bytes] = ..., end_key: _Optional[bytes] = ..., limit: _Optional[int] = ..., ts: _Optional[int] = ..., reverse: _Optional[bool] = ..., group_id: _Optional[int] = ..., keys_only: _Optional[bool] = ...) -> None: ...

class RawKVPair(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class RawScanAtResponse(_message.Message):
    __slots__ = ("kv",)
    KV_FIELD_NUMBER: _ClassVar[int]
    kv: _containers.RepeatedCompositeFieldContainer[RawKVPair]
    def __init__(self, kv: _Optional[_Iterable[_Union[RawKVPair, _Mapping]]] = ...) -> None: ...
