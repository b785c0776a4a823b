from __future__ import annotations

import grpc
import grpc.aio
import pytest

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.errors import STATUS, describe, fault_of, trailers


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_status(fault: Fault) -> None:
    assert STATUS[fault] is not grpc.StatusCode.OK


def test_a_repeat_that_might_act_twice_is_not_invited() -> None:
    """Clients retry UNAVAILABLE by themselves, so it must mean that nothing was done."""
    retried = {fault for fault in Fault if STATUS[fault] is grpc.StatusCode.UNAVAILABLE}
    assert retried == {Fault.NO_QUORUM, Fault.SHUTTING_DOWN}


def test_the_leader_is_in_the_message_once() -> None:
    error = KvError(Fault.NOT_LEADER, "not the leader", leader_id="n1", leader_address="h:1")
    assert describe(error) == "not the leader; the leader is n1 at h:1"
    named = KvError(Fault.NOT_LEADER, "ask n1 at h:1", leader_id="n1", leader_address="h:1")
    assert describe(named) == "ask n1 at h:1"
    assert describe(KvError(Fault.NOT_LEADER, "not the leader")) == "not the leader; no leader is known"
    assert describe(KvError(Fault.CONFLICT, "stale", leader_address="h:1")) == "stale"


@pytest.mark.parametrize("fault", Fault)
def test_the_fault_survives_the_wire(fault: Fault) -> None:
    error = KvError(fault, "why", leader_id="n1", leader_address="h:1")
    answer = grpc.aio.AioRpcError(STATUS[fault], grpc.aio.Metadata(), grpc.aio.Metadata(*trailers(error)), "why", None)
    found = fault_of(answer)
    assert found is not None
    assert (found.fault, found.message) == (fault, "why")
    assert (found.leader_id, found.leader_address) == ("n1", "h:1")


@pytest.mark.parametrize("metadata", [(), (("elastickv-fault", "NOT_INVENTED_YET"),)])
def test_an_answer_without_a_fault_that_we_know_has_none(metadata: tuple[tuple[str, str], ...]) -> None:
    answer = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), None, None
    )
    assert fault_of(answer) is None


def test_metadata_is_printable_ascii_whatever_the_leader_is_called() -> None:
    error = KvError(Fault.NOT_LEADER, leader_id="nö\n1", leader_address="h:1")
    assert ("leader-id", "n??1") in trailers(error)
