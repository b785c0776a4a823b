from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RouteState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTE_STATE_UNSPECIFIED: _ClassVar[RouteState]
    ROUTE_STATE_ACTIVE: _ClassVar[RouteState]
    ROUTE_STATE_WRITE_FENCED: _ClassVar[RouteState]
    ROUTE_STATE_MIGRATING_SOURCE: _ClassVar[RouteState]
    ROUTE_STATE_MIGRATING_TARGET: _ClassVar[RouteState]
ROUTE_STATE_UNSPECIFIED: RouteState
ROUTE_STATE_ACTIVE: RouteState
ROUTE_STATE_WRITE_FENCED: RouteState
ROUTE_STATE_MIGRATING_SOURCE: RouteState
ROUTE_STATE_MIGRATING_TARGET: RouteState

class GetTimestampRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTimestampResponse(_message.Message):
    __slots__ = ("timestamp",)
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    timestamp: int
    def __init__(self, timestamp: _Optional[int] = ...) -> None: ...

class GetRouteRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    def __init__(self, key: _Optional[bytes] = ...) -> None: ...

class GetRouteResponse(_message.Message):
    __slots__ = ("start", "end", "raft_group_id")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    RAFT_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    start: bytes
    end: bytes
    raft_group_id: int
    def __init__(self, start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., raft_group_id: _Optional[int] = ...) -> None: ...

class ListRoutesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RouteDescriptor(_message.Message):
    __slots__ = ("route_id", "start", "end", "raft_group_id", "state", "parent_route_id")
    ROUTE_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    RAFT_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PARENT_ROUTE_ID_FIELD_NUMBER: _ClassVar[int]
    route_id: int
    start: bytes
    end: bytes
    raft_group_id: int
    state: RouteState
    parent_route_id: int
    def __init__(self, route_id: _Optional[int] = ..., start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., raft_group_id: _Optional[int] = ..., state: _Optional[_Union[RouteState, str]] = ..., parent_route_id: _Optional[int] = ...) -> None: ...

class ListRoutesResponse(_message.Message):
    __slots__ = ("catalog_version", "routes")
    CATALOG_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    catalog_version: int
    routes: _containers.RepeatedCompositeFieldContainer[RouteDescriptor]
    def __init__(self, catalog_version: _Optional[int] = ..., routes: _Optional[_Iterable[_Union[RouteDescriptor, _Mapping]]] = ...) -> None: ...
