"""The command as a person meets it: exit codes, one line on stderr, help on stdout; and `status`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from elastickv import __version__, cli
from elastickv.pb import raftadmin_pb2 as pb


def elastickv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "elastickv", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], ["serve", "--help"]])
def test_help_goes_to_stdout(arguments: Sequence[str]) -> None:
    done = elastickv(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:\n  elastickv [serve] [flags]")
    assert "--raftBootstrapMembers id=host:port,..." in done.stdout


@pytest.mark.parametrize("argument", ["--version", "-version", "version"])
def test_version(argument: str) -> None:
    done = elastickv(argument)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"elastickv {__version__} (Python 3.")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--raftid=n1"], "elastickv: unknown flag --raftid (did you mean --raftId?); --help lists all flags"),
        (
            ["--redisMaxClients", "many"],
            'elastickv: invalid value "many" for flag -redisMaxClients: a whole number is expected',
        ),
        (
            ["server"],
            'elastickv: unexpected argument "server"; the subcommands are serve, status, drill, version and help',
        ),
        (["version", "now"], 'elastickv: unexpected argument "now"'),
        (["status", "--address", ":50051"], "an empty host leads nowhere"),
        (["status", "--timeout", "soon"], 'elastickv: invalid value "soon" for flag -timeout: a duration is expected'),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    arguments: Sequence[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert line in said.err
    assert said.err.count("\n") == 1


def test_wrong_use_of_the_program() -> None:
    done = elastickv("--raftId")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "elastickv: flag needs an argument: -raftId\n")


def test_a_reader_that_leaves_is_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "elastickv", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_the_answer_does_not_wait_for_grpc_and_lmdb() -> None:
    code = (
        "import sys; from elastickv import cli; cli.main(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('grpc', 'lmdb', 'asyncio', 'redis', 'prometheus_client')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, timeout=60).returncode == 0


# ---- status --------------------------------------------------------------------------------------------------------


@dataclass
class Node:
    """A node that gives prepared answers."""

    members: list[tuple[str, str, str]] = field(default_factory=list)
    status: pb.RaftAdminStatusResponse = field(default_factory=pb.RaftAdminStatusResponse)

    def configuration(self, request: object, context: object) -> pb.RaftAdminConfigurationResponse:
        servers = [pb.RaftAdminMember(id=i, address=a, suffrage=s) for i, a, s in self.members]
        return pb.RaftAdminConfigurationResponse(servers=servers)


@dataclass
class Served:
    node: Node
    address: str


def serve(node: Node) -> tuple[grpc.Server, str]:
    handlers: dict[str, Any] = {
        "Configuration": grpc.unary_unary_rpc_method_handler(
            node.configuration,
            request_deserializer=pb.RaftAdminConfigurationRequest.FromString,
            response_serializer=pb.RaftAdminConfigurationResponse.SerializeToString,
        ),
        "Status": grpc.unary_unary_rpc_method_handler(
            lambda request, context: node.status,
            request_deserializer=pb.RaftAdminStatusRequest.FromString,
            response_serializer=pb.RaftAdminStatusResponse.SerializeToString,
        ),
    }
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("RaftAdmin", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.fixture
def two_nodes() -> Iterator[tuple[Served, Served]]:
    first, second = Node(), Node()
    servers = [serve(first), serve(second)]
    members = [("n1", servers[0][1], "voter"), ("n2", servers[1][1], "learner")]
    first.members = second.members = members
    common: dict[str, Any] = {"leader_id": "n1", "leader_address": servers[0][1], "term": 3, "commit_index": 12}
    first.status = pb.RaftAdminStatusResponse(
        state=pb.RAFT_ADMIN_STATE_LEADER, applied_index=12, last_log_index=13, **common
    )
    second.status = pb.RaftAdminStatusResponse(
        state=pb.RAFT_ADMIN_STATE_FOLLOWER,
        applied_index=11,
        last_log_index=12,
        last_contact_nanos=1_500_000_000,
        **common,
    )
    yield Served(first, servers[0][1]), Served(second, servers[1][1])
    for server, _ in servers:
        server.stop(None).wait()


def test_status_for_a_person(two_nodes: tuple[Served, Served], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--address", two_nodes[1].address]) == 0
    header, leader, follower, _, summary = capsys.readouterr().out.splitlines()
    assert header.split()[:5] == ["ID", "ADDRESS", "SUFFRAGE", "STATE", "TERM"]
    assert leader.split() == ["n1", two_nodes[0].address, "voter", "leader", "3", "12", "12", "13", "-"]
    assert follower.split()[2:8] == ["learner", "follower", "3", "12", "11", "12"]
    assert follower.endswith("1.5 s ago")
    assert summary == "n1 leads in term 3; every member answered"


def test_status_for_a_program(two_nodes: tuple[Served, Served], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--json", "--address", two_nodes[0].address]) == 0
    first, second = json.loads(capsys.readouterr().out)["members"]
    assert (first["id"], first["state"], first["last_contact_seconds"]) == ("n1", "leader", 0)
    assert (second["suffrage"], second["applied_index"], second["last_contact_seconds"]) == ("learner", 11, 1.5)


def test_status_with_a_silent_member(two_nodes: tuple[Served, Served], capsys: pytest.CaptureFixture[str]) -> None:
    two_nodes[0].node.members = [*two_nodes[0].node.members, ("n3", "127.0.0.1:1", "voter")]
    assert cli.main(["status", "--timeout=2s", "--address", two_nodes[0].address]) == 1
    said = capsys.readouterr().out
    assert "n3  127.0.0.1:1" in said
    assert "not reachable" in said
    assert said.endswith("n1 leads in term 3; no answer from n3\n")


def test_status_of_a_node_that_waits(
    two_nodes: tuple[Served, Served], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = two_nodes[0]
    waiting.node.members = []
    waiting.node.status = pb.RaftAdminStatusResponse(state=pb.RAFT_ADMIN_STATE_FOLLOWER, last_contact_nanos=-1)
    monkeypatch.setenv("ELASTICKV_ADDRESS", waiting.address)
    assert cli.main(["status"]) == 1
    said = capsys.readouterr().out
    assert "never" in said
    assert said.endswith("no leader is known; every member answered\n")


def test_status_of_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--address", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == "elastickv: 127.0.0.1:1: not reachable\n"
