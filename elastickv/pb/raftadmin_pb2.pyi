from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RaftAdminState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RAFT_ADMIN_STATE_UNKNOWN: _ClassVar[RaftAdminState]
    RAFT_ADMIN_STATE_FOLLOWER: _ClassVar[RaftAdminState]
    RAFT_ADMIN_STATE_CANDIDATE: _ClassVar[RaftAdminState]
    RAFT_ADMIN_STATE_LEADER: _ClassVar[RaftAdminState]
    RAFT_ADMIN_STATE_SHUTDOWN: _ClassVar[RaftAdminState]
RAFT_ADMIN_STATE_UNKNOWN: RaftAdminState
RAFT_ADMIN_STATE_FOLLOWER: RaftAdminState
RAFT_ADMIN_STATE_CANDIDATE: RaftAdminState
RAFT_ADMIN_STATE_LEADER: RaftAdminState
RAFT_ADMIN_STATE_SHUTDOWN: RaftAdminState

class Future(_message.Message):
    __slots__ = ("operation_token",)
    OPERATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    operation_token: str
    def __init__(self, operation_token: _Optional[str] = ...) -> None: ...

class AwaitResponse(_message.Message):
    __slots__ = ("error", "index")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    error: str
    index: int
    def __init__(self, error: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class ForgetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddNonvoterRequest(_message.Message):
    __slots__ = ("id", "address", "previous_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    previous_index: int
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ..., previous_index: _Optional[int] = ...) -> None: ...

class AddVoterRequest(_message.Message):
    __slots__ = ("id", "address", "previous_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    previous_index: int
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ..., previous_index: _Optional[int] = ...) -> None: ...

class AppliedIndexRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AppliedIndexResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class ApplyLogRequest(_message.Message):
    __slots__ = ("data", "extensions")
    DATA_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    extensions: bytes
    def __init__(self, data: _Optional[bytes] = ..., extensions: _Optional[bytes] = ...) -> None: ...

class BarrierRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DemoteVoterRequest(_message.Message):
    __slots__ = ("id", "previous_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    previous_index: int
    def __init__(self, id: _Optional[str] = ..., previous_index: _Optional[int] = ...) -> None: ...

class GetConfigurationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetConfigurationResponse(_message.Message):
    __slots__ = ("servers",)
    class Server(_message.Message):
        __slots__ = ("suffrage", "id", "address")
        class Suffrage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            VOTER: _ClassVar[GetConfigurationResponse.Server.Suffrage]
            NONVOTER: _ClassVar[GetConfigurationResponse.Server.Suffrage]
            STAGING: _ClassVar[GetConfigurationResponse.Server.Suffrage]
        VOTER: GetConfigurationResponse.Server.Suffrage
        NONVOTER: GetConfigurationResponse.Server.Suffrage
        STAGING: GetConfigurationResponse.Server.Suffrage
        SUFFRAGE_FIELD_NUMBER: _ClassVar[int]
        ID_FIELD_NUMBER: _ClassVar[int]
        ADDRESS_FIELD_NUMBER: _ClassVar[int]
        suffrage: GetConfigurationResponse.Server.Suffrage
        id: str
        address: str
        def __init__(self, suffrage: _Optional[_Union[GetConfigurationResponse.Server.Suffrage, str]] = ..., id: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedCompositeFieldContainer[GetConfigurationResponse.Server]
    def __init__(self, servers: _Optional[_Iterable[_Union[GetConfigurationResponse.Server, _Mapping]]] = ...) -> None: ...

class LastContactRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LastContactResponse(_message.Message):
    __slots__ = ("unix_nano",)
    UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    unix_nano: int
    def __init__(self, unix_nano: _Optional[int] = ...) -> None: ...

class LastIndexRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LastIndexResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class LeaderRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaderResponse(_message.Message):
    __slots__ = ("address",)
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: str
    def __init__(self, address: _Optional[str] = ...) -> None: ...

class LeadershipTransferRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeadershipTransferToServerRequest(_message.Message):
    __slots__ = ("id", "address")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class RemoveServerRequest(_message.Message):
    __slots__ = ("id", "previous_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    previous_index: int
    def __init__(self, id: _Optional[str] = ..., previous_index: _Optional[int] = ...) -> None: ...

class ShutdownRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StateResponse(_message.Message):
    __slots__ = ("state",)
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FOLLOWER: _ClassVar[StateResponse.State]
        CANDIDATE: _ClassVar[StateResponse.State]
        LEADER: _ClassVar[StateResponse.State]
        SHUTDOWN: _ClassVar[StateResponse.State]
    FOLLOWER: StateResponse.State
    CANDIDATE: StateResponse.State
    LEADER: StateResponse.State
    SHUTDOWN: StateResponse.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: StateResponse.State
    def __init__(self, state: _Optional[_Union[StateResponse.State, str]] = ...) -> None: ...

class StatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatsResponse(_message.Message):
    __slots__ = ("stats",)
    class StatsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATS_FIELD_NUMBER: _ClassVar[int]
    stats: _containers.ScalarMap[str, str]
    def __init__(self, stats: _Optional[_Mapping[str, str]] = ...) -> None: ...

class VerifyLeaderRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RaftAdminStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RaftAdminStatusResponse(_message.Message):
    __slots__ = ("state", "leader_id", "leader_address", "term", "commit_index", "applied_index", "last_log_index", "last_snapshot_index", "fsm_pending", "num_peers", "last_contact_nanos", "configuration_index", "pending_conf_change")
    STATE_FIELD_NUMBER: _ClassVar[int]
    LEADER_ID_FIELD_NUMBER: _ClassVar[int]
    LEADER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    COMMIT_INDEX_FIELD_NUMBER: _ClassVar[int]
    APPLIED_INDEX_FIELD_NUMBER: _ClassVar[int]
    LAST_LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    LAST_SNAPSHOT_INDEX_FIELD_NUMBER: _ClassVar[int]
    FSM_PENDING_FIELD_NUMBER: _ClassVar[int]
    NUM_PEERS_FIELD_NUMBER: _ClassVar[int]
    LAST_CONTACT_NANOS_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_INDEX_FIELD_NUMBER: _ClassVar[int]
    PENDING_CONF_CHANGE_FIELD_NUMBER: _ClassVar[int]
    state: RaftAdminState
    leader_id: str
    leader_address: str
    term: int
    commit_index: int
    applied_index: int
    last_log_index: int
    last_snapshot_index: int
    fsm_pending: int
    num_peers: int
    last_contact_nanos: int
    configuration_index: int
    pending_conf_change: bool
    def __init__(self, state: _Optional[_Union[RaftAdminState, str]] = ..., leader_id: _Optional[str] = ..., leader_address: _Optional[str] = ..., term: _Optional[int] = ..., commit_index: _Optional[int] = ..., applied_index: _Optional[int] = ..., last_log_index: _Optional[int] = ..., last_snapshot_index: _Optional[int] = ..., fsm_pending: _Optional[int] = ..., num_peers: _Optional[int] = ..., last_contact_nanos: _Optional[int] = ..., configuration_index: _Optional[int] = ..., pending_conf_change: _Optional[bool] = ...) -> None: ...

class RaftAdminConfigurationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RaftAdminMember(_message.Message):
    __slots__ = ("id", "address", "suffrage")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SUFFRAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    suffrage: str
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ..., suffrage: _Optional[str] = ...) -> None: ...

class RaftAdminConfigurationResponse(_message.Message):
    __slots__ = ("servers",)
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedCompositeFieldContainer[RaftAdminMember]
    def __init__(self, servers: _Optional[_Iterable[_Union[RaftAdminMember, _Mapping]]] = ...) -> None: ...

class RaftAdminAddLearnerRequest(_message.Message):
    __slots__ = ("id", "address", "previous_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    previous_index: int
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ..., previous_index: _Optional[int] = ...) -> None: ...

class RaftAdminPromoteLearnerRequest(_message.Message):
    __slots__ = ("id", "previous_index", "min_applied_index", "skip_min_applied_check")
    ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_FIELD_NUMBER: _ClassVar[int]
    MIN_APPLIED_INDEX_FIELD_NUMBER: _ClassVar[int]
    SKIP_MIN_APPLIED_CHECK_FIELD_NUMBER: _ClassVar[int]
    id: str
    previous_index: int
    min_applied_index: int
    skip_min_applied_check: bool
    def __init__(self, id: _Optional[str] = ..., previous_index: _Optional[int] = ..., min_applied_index: _Optional[int] = ..., skip_min_applied_check: _Optional[bool] = ...) -> None: ...

class RaftAdminConfigurationChangeResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class RaftAdminTransferLeadershipRequest(_message.Message):
    __slots__ = ("target_id", "target_address", "gated", "max_lag", "target_candidates")
    class TransferTarget(_message.Message):
        __slots__ = ("target_id", "target_address")
        TARGET_ID_FIELD_NUMBER: _ClassVar[int]
        TARGET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
        target_id: str
        target_address: str
        def __init__(self, target_id: _Optional[str] = ..., target_address: _Optional[str] = ...) -> None: ...
    TARGET_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GATED_FIELD_NUMBER: _ClassVar[int]
    MAX_LAG_FIELD_NUMBER: _ClassVar[int]
    TARGET_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    target_id: str
    target_address: str
    gated: bool
    max_lag: int
    target_candidates: _containers.RepeatedCompositeFieldContainer[RaftAdminTransferLeadershipRequest.TransferTarget]
    def __init__(self, target_id: _Optional[str] = ..., target_address: _Optional[str] = ..., gated: _Optional[bool] = ..., max_lag: _Optional[int] = ..., target_candidates: _Optional[_Iterable[_Union[RaftAdminTransferLeadershipRequest.TransferTarget, _Mapping]]] = ...) -> None: ...

class RaftAdminTransferLeadershipResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
