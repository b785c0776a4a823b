from __future__ import annotations

import pytest

from elastickv.grpc_api.stats import configuration_text, go_duration, last_contact, peers, stats
from tests.kit.fake_store import healthy_status

HASHICORP_NAMES = (
    "state term last_log_index last_log_term commit_index applied_index fsm_pending last_snapshot_index "
    "last_snapshot_term protocol_version protocol_version_min protocol_version_max snapshot_version_min "
    "snapshot_version_max latest_configuration latest_configuration_index last_contact num_peers"
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (20e-9, "20ns"),
        (450e-6, "450µs"),
        (0.0123, "12.3ms"),
        (1, "1s"),
        (1.05, "1.05s"),
        (60, "1m0s"),
        (3723.5, "1h2m3.5s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_look_as_go_prints_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_all_names_of_hashicorp_are_there() -> None:
    assert set(HASHICORP_NAMES.split()) <= stats(healthy_status()).keys()


def test_figures() -> None:
    figures = stats(healthy_status(problem="disk full", extra={"uptime": "5", "term": "not this one"}))
    assert figures["state"] == "Leader"
    assert figures["term"] == "7"
    assert figures["fsm_pending"] == "2"
    assert figures["last_snapshot_index"] == "10"
    assert figures["latest_configuration_index"] == "42"
    assert figures["cluster_id"] == "c1"
    assert figures["instance"] == "a1b2"
    assert figures["problem"] == "disk full"
    assert figures["uptime"] == "5"
    assert figures["pending_configuration_change"] == "false"


def test_last_contact() -> None:
    assert last_contact(healthy_status()) == "0"
    assert last_contact(healthy_status(role="follower", last_contact_seconds=0.05)) == "50ms"
    assert last_contact(healthy_status(role="follower", last_contact_seconds=None)) == "never"


def test_peers_are_other_voters_and_none_for_who_is_no_voter() -> None:
    assert peers(healthy_status()) == 2
    assert peers(healthy_status(node_id="n4")) == 0
    assert peers(healthy_status(members=())) == 0


def test_configuration_looks_as_go_prints_it() -> None:
    assert configuration_text(healthy_status(members=healthy_status().members[2:])) == (
        "[{Suffrage:Voter ID:n3 Address:10.0.0.13:50051} {Suffrage:Nonvoter ID:n4 Address:10.0.0.14:50051}]"
    )
