"""The command line: which subcommand, which settings, which exit code. No logic of the store.

Exit codes: 0 done, 1 failed, 2 wrongly used (nothing was touched). Rooms are imported when a subcommand needs them, so
that `--help` and a wrong flag answer at once.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elastickv import __version__
from elastickv.config import (
    ADVERTISED_ADDRESS,
    BOOLEAN,
    FLAGS,
    Address,
    Flag,
    Settings,
    UsageError,
    duration,
    flag,
    flag_lines,
    flags_of,
    help_text,
    load,
    read_command_line,
)

if TYPE_CHECKING:
    from elastickv.pb.raftadmin_pb2 import RaftAdminStatusResponse

OK, FAILED, WRONGLY_USED = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "serve"
    try:
        match command:
            case "serve":
                return _serve(arguments, os.environ)
            case "status":
                return _status(arguments, os.environ)
            case "drill":
                from elastickv.drill.command import drill

                return drill(arguments, os.environ, _print)
            case "version":
                read_command_line(arguments, ())
                return _version()
            case "help":
                return _print(help_text())
            case _:
                raise UsageError(
                    f'unexpected argument "{command}"; the subcommands are serve, status, drill, version and help'
                )
    except UsageError as error:
        print(f"elastickv: {error}", file=sys.stderr)
        return WRONGLY_USED
    except BrokenPipeError:
        # `elastickv --help | head`: nobody reads on. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _print(text: str) -> int:
    print(text, end="" if text.endswith("\n") else "\n", flush=True)
    return OK


def _version() -> int:
    return _print(f"elastickv {__version__} (Python {sys.version.split()[0]})")


# ---- serve ----------------------------------------------------------------------------------------------------------


def _serve(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    line = read_command_line(arguments, FLAGS.values())
    if line.wanted == "help":
        return _print(help_text())
    if line.wanted == "version":
        return _version()
    settings = load(line.texts, environment)

    from elastickv.observability.logs import Logging

    with Logging(settings.log.format, settings.log.level, node=settings.raft.id):
        return _run(settings)


def _run(settings: Settings) -> int:
    log = logging.getLogger(__name__)
    for warning in settings.warnings:
        log.warning(warning)
    from elastickv.transport.engine import choose as choose_engine

    try:
        choose_engine()
        from elastickv.app import run

        return run(settings)
    except KeyboardInterrupt:
        return FAILED
    except Exception:
        log.exception("the node failed")
        return FAILED


# ---- status ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """Flags of `elastickv status`"""

    address: Address = flag(
        "address", ADVERTISED_ADDRESS, "localhost:50051", "gRPC door of any node of the cluster; or ELASTICKV_ADDRESS"
    )
    as_json: bool = flag("json", BOOLEAN, "false", "one JSON object instead of a table")
    timeout: float = flag("timeout", duration(least=0.01, most=3600), "3s", "how long to wait for each node")


STATUS_USAGE = """\
Usage: elastickv status [flags]

Asks a node who belongs to the cluster, and then each member how it is. Ends with 0 when a leader is known and every
member answered, else with 1.

"""


@dataclass(frozen=True, slots=True)
class MemberReport:
    id: str
    address: str
    suffrage: str
    status: RaftAdminStatusResponse | None
    """None when it did not answer."""
    error: str = ""


def _status(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    flags = flags_of(StatusSettings)
    line = read_command_line(arguments, flags)
    if line.wanted == "help":
        return _print(STATUS_USAGE + flag_lines(flags))
    if line.wanted == "version":
        return _version()
    settings = StatusSettings(**{f.field: _value(f, line.texts, environment) for f in flags})

    import grpc

    try:
        reports = ask_members(str(settings.address), settings.timeout)
    except grpc.RpcError as error:
        print(f"elastickv: {settings.address}: {_why(error)}", file=sys.stderr)
        return FAILED
    if settings.as_json:
        _print(json.dumps(as_json(reports), indent=2))
    else:
        _print(table(reports))
    well = all(report.status for report in reports) and any(r.status and r.status.leader_id for r in reports)
    return OK if well else FAILED


def _value(flag: Flag, texts: Mapping[str, str], environment: Mapping[str, str]) -> Any:
    in_environment = environment.get(flag.environment, "") if flag.name == "address" else ""
    text = texts.get(flag.name, in_environment or flag.default)
    try:
        return flag.kind.parse(text)
    except ValueError as error:
        raise UsageError(f'invalid value "{text}" for flag -{flag.name}: {error}') from None


def ask_members(address: str, timeout: float) -> list[MemberReport]:
    """Every member's own account, all asked at the same time. Raises grpc.RpcError when `address` does not answer."""
    import grpc

    from elastickv.pb import raftadmin_pb2 as pb

    with grpc.insecure_channel(address) as channel:
        configuration = channel.unary_unary(
            "/RaftAdmin/Configuration",
            request_serializer=pb.RaftAdminConfigurationRequest.SerializeToString,
            response_deserializer=pb.RaftAdminConfigurationResponse.FromString,
        )(pb.RaftAdminConfigurationRequest(), timeout=timeout)
    # A node that waits to be contacted knows no members; it can still say how it is.
    members = [(m.id, m.address, m.suffrage) for m in configuration.servers] or [("", address, "none")]
    channels = [grpc.insecure_channel(member_address) for _, member_address, _ in members]
    try:
        calls = [
            channel.unary_unary(
                "/RaftAdmin/Status",
                request_serializer=pb.RaftAdminStatusRequest.SerializeToString,
                response_deserializer=pb.RaftAdminStatusResponse.FromString,
            ).future(pb.RaftAdminStatusRequest(), timeout=timeout)
            for channel in channels
        ]
        reports = []
        for (member_id, member_address, suffrage), call in zip(members, calls, strict=True):
            try:
                reports.append(MemberReport(member_id, member_address, suffrage, call.result()))
            except grpc.RpcError as error:
                reports.append(MemberReport(member_id, member_address, suffrage, None, _why(error)))
        return reports
    finally:
        for channel in channels:
            channel.close()


def _why(error: Exception) -> str:
    import grpc

    if not isinstance(error, grpc.Call):
        return str(error)
    words = {grpc.StatusCode.UNAVAILABLE: "not reachable", grpc.StatusCode.DEADLINE_EXCEEDED: "no answer in time"}
    return words.get(error.code()) or f"{error.code().name}: {error.details()}"


def _state(status: RaftAdminStatusResponse) -> str:
    from elastickv.pb.raftadmin_pb2 import RaftAdminState

    return RaftAdminState.Name(status.state).removeprefix("RAFT_ADMIN_STATE_").lower()


def _heard(nanoseconds: int) -> str:
    return "never" if nanoseconds < 0 else f"{nanoseconds / 1e9:.1f} s ago"


def table(reports: Sequence[MemberReport]) -> str:
    """For a person: one line per member, and a last line that says how the cluster is."""
    rows: list[tuple[str, ...]] = [
        ("ID", "ADDRESS", "SUFFRAGE", "STATE", "TERM", "COMMITTED", "APPLIED", "LAST LOG", "LEADER HEARD")
    ]
    for report in reports:
        first = (report.id or "-", report.address, report.suffrage)
        if report.status is None:
            rows.append((*first, report.error, "", "", "", "", ""))
            continue
        s = report.status
        state = _state(s)
        heard = "-" if state == "leader" else _heard(s.last_contact_nanos)
        numbers = (str(x) for x in (s.term, s.commit_index, s.applied_index, s.last_log_index))
        rows.append((*first, state, *numbers, heard))
    # An error may be longer than any state; it is the end of its line, so it needs no column.
    widths = [max(len(row[i]) for row in rows if row[-1] or i < 3) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", _summary(reports)])


def _summary(reports: Iterable[MemberReport]) -> str:
    answered = [report.status for report in reports if report.status is not None]
    silent = [report.id for report in reports if report.status is None]
    newest = max((s for s in answered if s.leader_id), key=lambda s: s.term, default=None)
    leader = f"{newest.leader_id} leads in term {newest.term}" if newest else "no leader is known"
    return leader + (f"; no answer from {', '.join(silent)}" if silent else "; every member answered")


def as_json(reports: Iterable[MemberReport]) -> dict[str, object]:
    members: list[dict[str, object]] = []
    for report in reports:
        member: dict[str, object] = {"id": report.id, "address": report.address, "suffrage": report.suffrage}
        if report.status is None:
            member["error"] = report.error
        else:
            s = report.status
            member |= {
                "state": _state(s),
                "term": s.term,
                "leader_id": s.leader_id,
                "leader_address": s.leader_address,
                "commit_index": s.commit_index,
                "applied_index": s.applied_index,
                "last_log_index": s.last_log_index,
                "last_snapshot_index": s.last_snapshot_index,
                "pending_entries": s.fsm_pending,
                "last_contact_seconds": None if s.last_contact_nanos < 0 else s.last_contact_nanos / 1e9,
                "configuration_index": s.configuration_index,
                "configuration_change_pending": s.pending_conf_change,
            }
        members.append(member)
    return {"members": members}
