"""Faults as gRPC statuses.

Every answer that is a fault names it in the trailing metadata (`elastickv-fault`), because several faults share one
status: a follower that forwarded a request must tell "not the leader, nothing was done" from "a precondition did not
hold", and both are FAILED_PRECONDITION. The leader, where known, is in `leader-id` and `leader-address`, and in the
message for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from elastickv.errors import Fault, KvError

Context = grpc.aio.ServicerContext[Any, Any]

STATUS: Final[Mapping[Fault, grpc.StatusCode]] = {
    Fault.NOT_LEADER: grpc.StatusCode.FAILED_PRECONDITION,
    Fault.NO_QUORUM: grpc.StatusCode.UNAVAILABLE,
    # Not UNAVAILABLE: gRPC clients retry that by themselves, and a repeated write may act twice.
    Fault.OUTCOME_UNKNOWN: grpc.StatusCode.UNKNOWN,
    Fault.OVERLOAD: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Fault.DISK_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Fault.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Fault.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    Fault.WRONG_TYPE: grpc.StatusCode.FAILED_PRECONDITION,
    Fault.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Fault.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    # Not OUT_OF_RANGE: that promises that waiting or moving on helps, but this history will not come back. It is also
    # what existing clients of RawKV expect.
    Fault.COMPACTED: grpc.StatusCode.FAILED_PRECONDITION,
    Fault.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Fault.SHUTTING_DOWN: grpc.StatusCode.UNAVAILABLE,
    Fault.INTERNAL: grpc.StatusCode.INTERNAL,
}

FAULT_KEY: Final = "elastickv-fault"
LEADER_ID_KEY: Final = "leader-id"
LEADER_ADDRESS_KEY: Final = "leader-address"


class Relayed(Exception):
    """Another node's answer that has no fault of ours, to be passed on as it is."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


def describe(error: KvError) -> str:
    """The message, with the leader where it is known and not named already."""
    if error.fault is not Fault.NOT_LEADER or (error.leader_address and error.leader_address in error.message):
        return error.message
    if error.leader_id or error.leader_address:
        return f"{error.message}; the leader is {error.leader_id or '(unknown ID)'} at {error.leader_address}"
    return f"{error.message}; no leader is known"


def trailers(error: KvError) -> tuple[tuple[str, str], ...]:
    pairs = [(FAULT_KEY, error.fault.name)]
    if error.leader_id:
        pairs.append((LEADER_ID_KEY, _ascii(error.leader_id)))
    if error.leader_address:
        pairs.append((LEADER_ADDRESS_KEY, _ascii(error.leader_address)))
    return tuple(pairs)


def _ascii(text: str) -> str:
    """Metadata is printable ASCII; anything else would end the whole call."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def fault_of(error: grpc.aio.AioRpcError) -> KvError | None:
    """The fault in another node's answer; None when there is none that this version knows."""
    pairs: Any = error.trailing_metadata() or ()
    metadata = {str(key): str(value) for key, value in pairs}
    try:
        fault = Fault[metadata[FAULT_KEY]]
    except KeyError:
        return None
    return KvError(
        fault,
        error.details() or "",
        leader_id=metadata.get(LEADER_ID_KEY, ""),
        leader_address=metadata.get(LEADER_ADDRESS_KEY, ""),
    )


async def abort(context: Context, error: KvError) -> NoReturn:
    """End the call with the fault's status."""
    await context.abort(STATUS[error.fault], describe(error), trailers(error))
    raise AssertionError("unreachable: abort raises")
