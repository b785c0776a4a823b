"""`elastickv drill`: its flags and its actions. What it does is in `runner`, what it says afterwards in `figures`.

Exit codes: 0 the history is linearizable and every given limit holds, 1 it is not or the drill failed, 2 wrongly used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from elastickv.config.flags import Flag, UsageError, flag, flags_of, read_command_line
from elastickv.config.kinds import (
    ADDRESS_MAP,
    ADVERTISED_ADDRESS,
    BOOLEAN,
    OPTIONAL_PATH,
    PATH,
    STRING,
    Address,
    choice,
    duration,
    integer,
)
from elastickv.config.reference import flag_lines
from elastickv.drill import recording
from elastickv.drill.checker import check
from elastickv.drill.figures import Limit, figures
from elastickv.drill.page import page
from elastickv.drill.recording import END, FAULT, NOTE, REPAIR, RUN, Recording

Say: TypeAlias = Callable[[str], object]

REPORT_JSON, REPORT_HTML = "report.json", "report.html"

USAGE = """\
Usage: elastickv drill [run] [flags]      clients work on a cluster while somebody mistreats it; then a report
       elastickv drill mark [flags]       note what was done to the cluster, such as --text "n4 stopped"
       elastickv drill stop [flags]       end a running drill before its time
       elastickv drill report [flags]     make the report anew, also of a drill that was killed

A drill records every request and every answer, watches each node, and at the end checks whether the answers could have
come from one machine that never failed. Its keys begin with "drill:" and are deleted afterwards. It leaves report.html
and report.json in --out. Ends with 0 when the history is linearizable and the given limits hold, else with 1.

"""


@dataclass(frozen=True, slots=True)
class WhereSettings:
    """Flags of every action"""

    out: Path = flag("out", PATH, "drill", "directory of the drill")


@dataclass(frozen=True, slots=True)
class MarkSettings(WhereSettings):
    """Flags of `elastickv drill mark`"""

    text: str = flag("text", STRING, "", "what was done")
    kind: str = flag("kind", choice(FAULT, REPAIR, NOTE), FAULT, "how the report draws it")


@dataclass(frozen=True, slots=True)
class ReportSettings(WhereSettings):
    """Flags of `elastickv drill report`"""

    max_write_gap: float = flag(
        "maxWriteGap", duration(least=0), "0s", "fail when nobody's writes were acknowledged for longer; 0 is no limit"
    )
    max_read_gap: float = flag("maxReadGap", duration(least=0), "0s", "the same for reads")
    max_write_p99: float = flag(
        "maxWriteP99", duration(least=0), "0s", "fail when one of a hundred writes took longer; 0 is no limit"
    )
    max_read_p99: float = flag("maxReadP99", duration(least=0), "0s", "the same for reads")
    check_timeout: float = flag(
        "checkTimeout", duration(least=0.1), "1m", "how long the check of the history may take before it is undecided"
    )

    @property
    def limits(self) -> tuple[Limit, ...]:
        return (
            Limit("writes.interruption", "longest interruption of writes", self.max_write_gap),
            Limit("reads.interruption", "longest interruption of reads", self.max_read_gap),
            Limit("writes.p99", "99 of 100 writes took at most", self.max_write_p99),
            Limit("reads.p99", "99 of 100 reads took at most", self.max_read_p99),
        )


@dataclass(frozen=True, slots=True)
class RunSettings(ReportSettings):
    """Flags of `elastickv drill`"""

    address: Address = flag(
        "address", ADVERTISED_ADDRESS, "localhost:50051", "gRPC door of any node of the cluster; or ELASTICKV_ADDRESS"
    )
    nodes: str = flag("nodes", STRING, "", "IDs of the nodes that clients use, with commas; empty is all")
    redis_map: Mapping[str, str] = flag(
        "raftRedisMap", ADDRESS_MAP, "", "where the Redis doors are; a node that is not named has it on port 6379"
    )
    redis_pass_file: Path | None = flag(
        "redisPassFile", OPTIONAL_PATH, "", "file whose first line is the password of the Redis doors"
    )
    title: str = flag("title", STRING, "Failover drill", "head line of the report")
    lasts: float = flag("duration", duration(least=0), "30s", "how long clients work; 0 is until it is stopped")
    clients: int = flag("clients", integer(least=0, most=100), "1", "clients that stay at their node, for each node")
    roaming: int = flag(
        "roaming", integer(least=0, most=500), "3", "clients that go to the next node when theirs does not answer"
    )
    pause: float = flag("pause", duration(least=0, most=60), "10ms", "mean pause of a client between two requests")
    timeout: float = flag("timeout", duration(least=0.05, most=600), "10s", "when a client gives up waiting")
    sample_interval: float = flag(
        "sampleInterval", duration(least=0.02, most=60), "250ms", "how often each node is asked how it is"
    )
    key_lifetime: float = flag(
        "keyLifetime",
        duration(least=0.1, most=600),
        "5s",
        "how long clients use the same keys; shorter is checked quicker, longer finds more",
    )
    keep_keys: bool = flag("keepKeys", BOOLEAN, "false", "do not delete the drill's keys at the end")


def drill(arguments: Sequence[str], environment: Mapping[str, str], say: Say) -> int:
    words = list(arguments)
    action = words.pop(0) if words and not words[0].startswith("-") else "run"
    kinds: dict[str, type[WhereSettings]] = {
        "run": RunSettings,
        "mark": MarkSettings,
        "stop": WhereSettings,
        "report": ReportSettings,
    }
    if action not in kinds:
        raise UsageError(f'unexpected argument "{action}"; the actions of drill are {", ".join(kinds)}')
    flags = flags_of(kinds[action])
    line = read_command_line(words, flags)
    if line.wanted:
        say(USAGE + flag_lines(flags))
        return 0
    settings = kinds[action](**{f.field: _value(f, line.texts, environment) for f in flags})
    match settings:
        case RunSettings():
            shown = {f.name: line.texts[f.name] for f in flags if f.name in line.texts and f.name != "redisPassFile"}
            return _run(settings, shown, say)
        case ReportSettings():
            return _report_again(settings, say)
        case MarkSettings():
            if not settings.text:
                raise UsageError("flag -text is missing: say what was done")
            return _append(settings.out, settings.text, settings.kind)
        case _:
            return _append(settings.out, "stopped", END)


def _value(f: Flag, texts: Mapping[str, str], environment: Mapping[str, str]) -> Any:
    in_environment = environment.get(f.environment, "") if f.name == "address" else ""
    text = texts.get(f.name, in_environment or f.default)
    try:
        return f.kind.parse(text)
    except ValueError as error:
        raise UsageError(f'invalid value "{text}" for flag -{f.name}: {error}') from None


def _append(directory: Path, text: str, kind: str) -> int:
    if not (directory / RUN).exists():
        raise UsageError(f'no drill runs in "{directory}"; --out names its directory')
    recording.append_event(directory, text, kind)
    return 0


# ---- run ------------------------------------------------------------------------------------------------------------


def _run(settings: RunSettings, shown: Mapping[str, str], say: Say) -> int:
    if (settings.out / RUN).exists():
        raise UsageError(f'"{settings.out}" holds a drill already; name another directory with --out')
    if settings.clients + settings.roaming == 0:
        raise UsageError("--clients and --roaming are both 0: nobody would ask anything")
    password = None
    if settings.redis_pass_file is not None:
        try:
            password = settings.redis_pass_file.read_text(encoding="utf-8").partition("\n")[0].strip("\r")
        except OSError as error:
            raise UsageError(f'cannot read "{settings.redis_pass_file}": {error.strerror}') from None

    from elastickv.drill import runner

    plan = runner.Plan(
        title=settings.title,
        address=settings.address,
        chosen=[id.strip() for id in settings.nodes.split(",") if id.strip()],
        redis_map=settings.redis_map,
        duration=settings.lasts,
        steady=settings.clients,
        roaming=settings.roaming,
        pause=settings.pause,
        timeout=settings.timeout,
        sample_interval=settings.sample_interval,
        key_lifetime=settings.key_lifetime,
        keep_keys=settings.keep_keys,
        password=password,
        options=shown,
    )
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
        recorded = asyncio.run(runner.drill(plan, settings.out, say))
    except (runner.DrillError, OSError) as error:
        say(f"drill: {error}")
        return 1
    return _report(recorded, settings, say)


def _report_again(settings: ReportSettings, say: Say) -> int:
    try:
        recorded = recording.load(settings.out)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f'no drill in "{settings.out}": {error}') from None
    return _report(recorded, settings, say)


def _report(recorded: Recording, settings: ReportSettings, say: Say) -> int:
    say("checking what the clients saw")
    summary = figures(recorded, check(recorded.operations, timeout_seconds=settings.check_timeout), settings.limits)
    (settings.out / REPORT_JSON).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (settings.out / REPORT_HTML).write_text(page(summary), encoding="utf-8")
    say(words(summary))
    say(f"report: {settings.out / REPORT_HTML}")
    return 0 if summary["passed"] else 1


def words(summary: Mapping[str, Any]) -> str:
    """The few lines that a terminal shows."""
    verdict = summary["verdict"]
    lines = [f"{verdict['verdict']}: {verdict['operations']} operations on {verdict['keys']} keys"]
    for kind in ("writes", "reads"):
        traffic = summary[kind]
        worst = traffic["interruptions"][0]
        lines.append(
            f"{kind}: {traffic['acknowledged']} acknowledged ({traffic['per_second']}/s), "
            f"{traffic['refused']} refused, {traffic['unknown']} unknown; "
            f"longest interruption {worst['seconds']:.2f} s at {worst['from']:.1f} s"
        )
    lines += verdict["violations"]
    lines += [f"not passed: {each}" for each in summary["failures"]]
    return "\n".join(lines if summary["failures"] else [*lines, "passed"])
