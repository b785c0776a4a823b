from __future__ import annotations

import pytest

from elastickv.dynamodb_api.errors import (
    FAULTS,
    ConditionalCheckFailedException,
    TransactionCanceledException,
    from_fault,
)
from elastickv.errors import Fault, KvError


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_word(fault: Fault) -> None:
    body = from_fault(KvError(fault, "why")).body()
    assert "#" in body["__type"]
    assert body.keys() & {"message", "Message"}


def test_the_table_is_the_contract_s() -> None:
    assert {
        fault: (kind.status, kind.__name__)
        for fault, kind in FAULTS.items()
        if fault in (Fault.NO_QUORUM, Fault.OUTCOME_UNKNOWN, Fault.OVERLOAD, Fault.DISK_FULL, Fault.BAD_REQUEST)
    } == {
        Fault.NO_QUORUM: (500, "InternalServerError"),
        Fault.OUTCOME_UNKNOWN: (500, "InternalServerError"),
        Fault.OVERLOAD: (400, "ProvisionedThroughputExceededException"),
        Fault.DISK_FULL: (500, "InternalServerError"),
        Fault.BAD_REQUEST: (400, "ValidationException"),
    }


def test_a_defect_is_not_told_to_clients() -> None:
    assert "secret" not in str(from_fault(KvError(Fault.INTERNAL, "secret")).body())


def test_promised_words_are_there() -> None:
    assert from_fault(KvError(Fault.OUTCOME_UNKNOWN, "lead lost")).message == "outcome unknown: lead lost"
    assert from_fault(KvError(Fault.DISK_FULL, "no space")).message == "disk full: no space"


def test_details_stand_beside_type_and_message() -> None:
    assert ConditionalCheckFailedException(Item={"a": {"S": "b"}}).body() == {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": {"a": {"S": "b"}},
    }
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}]
    assert TransactionCanceledException(reasons).body() == {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, ConditionalCheckFailed]",
        "CancellationReasons": reasons,
    }
