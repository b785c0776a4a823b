"""Settings: the flag rules of Go, what each kind of value accepts, the order of sources, the checks of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.config import (
    FLAGS,
    ROOMS,
    Address,
    Flag,
    Member,
    OutputLimit,
    OutputLimits,
    Settings,
    UsageError,
    flags_of,
    help_text,
    load,
    markdown,
    parse_address,
    parse_duration,
    parse_output_limits,
    parse_size,
    read_command_line,
)

REPOSITORY = Path(__file__).parent.parent

IPS = [f"10.0.0.{n}" for n in range(11, 16)]
REDIS_MAP = ",".join(f"{ip}:50051={ip}:6379" for ip in IPS)
MEMBERS = ",".join(f"n{n}={ip}:50051" for n, ip in enumerate(IPS, 1))
GUIDE_N1 = [
    *("--address", "10.0.0.11:50051"),
    *("--redisAddress", "10.0.0.11:6379"),
    *("--dynamoAddress", "10.0.0.11:8000"),
    *("--raftId", "n1"),
    *("--raftDataDir", "/var/lib/elastickv"),
    *("--raftRedisMap", REDIS_MAP),
    *("--raftBootstrapMembers", MEMBERS),
    "--raftBootstrap",
]
GUIDE_N2 = [
    *("--address", "10.0.0.12:50051"),
    *("--redisAddress", "10.0.0.12:6379"),
    *("--dynamoAddress", "10.0.0.12:8000"),
    *("--raftId", "n2"),
    *("--raftDataDir", "/var/lib/elastickv"),
    *("--raftRedisMap", REDIS_MAP),
]


def settings(*arguments: str, **environment: str) -> Settings:
    line = read_command_line(arguments, FLAGS.values())
    assert not line.wanted
    return load(line.texts, environment)


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        settings(*arguments, **environment)
    text = str(caught.value)
    assert text.isprintable(), "one line, no control characters"
    return text


# ---- the contract: names and defaults ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("address", "localhost:50051"),
        ("redisAddress", "localhost:6379"),
        ("dynamoAddress", "localhost:8000"),
        ("metricsAddress", "localhost:9090"),
        ("raftId", ""),
        ("raftDataDir", "data/"),
        ("raftRedisMap", ""),
        ("raftDynamoMap", ""),
        ("raftBootstrapMembers", ""),
        ("raftBootstrap", "false"),
    ],
)
def test_flags_of_existing_command_lines_keep_name_and_default(name: str, default: str) -> None:
    assert FLAGS[name].default == default


def test_environment_names_follow_from_flag_names() -> None:
    assert FLAGS["raftId"].environment == "ELASTICKV_RAFT_ID"
    assert FLAGS["redisClientOutputBufferLimit"].environment == "ELASTICKV_REDIS_CLIENT_OUTPUT_BUFFER_LIMIT"
    assert FLAGS["address"].environment == "ELASTICKV_ADDRESS"
    assert len({flag.environment for flag in FLAGS.values()}) == len(FLAGS)


def test_every_flag_is_declared_once() -> None:
    declared = [flag.name for room in ROOMS.values() for flag in flags_of(room)]
    assert len(declared) == len(set(declared)) == len(FLAGS)


@pytest.mark.parametrize("flag", FLAGS.values(), ids=lambda flag: flag.name)
def test_the_default_in_the_words_is_the_default_of_the_field(flag: Flag) -> None:
    room = next(name for name, cls in ROOMS.items() if flag in flags_of(cls))
    assert getattr(getattr(Settings(), room), flag.field) == flag.kind.parse(flag.default)


def test_docs_are_what_the_declarations_say() -> None:
    assert (REPOSITORY / "docs" / "flags.md").read_text(encoding="utf-8") == markdown(), "run `make docs`"


def test_help_names_every_flag_and_fits_a_terminal() -> None:
    text = help_text()
    for flag in FLAGS.values():
        assert f"  --{flag.name}" in text
    assert max(map(len, text.splitlines())) <= 120


# ---- Go's rules for a command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--raftId", "n7"],
        ["-raftId", "n7"],
        ["--raftId=n7"],
        ["-raftId=n7"],
        ["--raftId=n6", "--raftId=n7"],
        ["--raftId", "n7", "--"],
        ["--raftBootstrap", "--raftId", "n7"],
        ["--raftBootstrap=F", "--raftId", "n7"],
    ],
)
def test_the_ways_to_write_a_flag(words: Sequence[str]) -> None:
    assert settings(*words).raft.id == "n7"


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "true", "True"])
def test_true(word: str) -> None:
    assert settings("--raftId=n1", f"--raftBootstrap={word}").raft.bootstrap is True


@pytest.mark.parametrize("word", ["0", "f", "F", "FALSE", "false", "False"])
def test_false(word: str) -> None:
    assert settings("--raftId=n1", f"--raftBootstrap={word}").raft.bootstrap is False


@pytest.mark.parametrize("word", ["", "yes", "tRUE", "2", "on"])
def test_neither(word: str) -> None:
    assert refusal(f"-raftBootstrap={word}") == (
        f'invalid value "{word}" for flag -raftBootstrap: neither true nor false'
    )


def test_a_boolean_never_takes_the_next_argument() -> None:
    assert refusal("--raftBootstrap", "false") == (
        'unexpected argument "false"; a boolean takes its value behind an equals sign: --raftBootstrap=false'
    )


def test_a_flag_takes_the_next_argument_whatever_it_looks_like() -> None:
    line = read_command_line(["--raftDataDir", "--raftId", "--raftId", "n1"], FLAGS.values())
    assert line.texts == {"raftDataDir": "--raftId", "raftId": "n1"}


def test_a_value_may_contain_equals_signs() -> None:
    assert settings("--raftId=n1", "--redisRequirePass=a=b=").redis.require_pass == "a=b="


def test_an_empty_value_is_a_value() -> None:
    assert settings("--metricsAddress=").metrics.address is None
    assert settings("--raftRedisMap", "", "--raftId", "n1").raft.redis_map == {}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--raftId"], "flag needs an argument: -raftId"),
        (["---raftId", "n1"], "bad flag syntax: ---raftId"),
        (["--=n1"], "bad flag syntax: --=n1"),
        (["-=n1"], "bad flag syntax: -=n1"),
        (["--raftid", "n1"], "unknown flag --raftid (did you mean --raftId?); --help lists all flags"),
        (["--raft-id", "n1"], "unknown flag --raft-id (did you mean --raftId?); --help lists all flags"),
        (["--qqqqqq"], "unknown flag --qqqqqq; --help lists all flags"),
        (["n1"], 'unexpected argument "n1"'),
        (["--raftId", "n1", "n2"], 'unexpected argument "n2"'),
        (["--raftId", "n1", "-"], 'unexpected argument "-"'),
        (["--", "--raftId=n1"], 'unexpected argument "--raftId=n1"'),
    ],
)
def test_what_is_no_command_line(words: Sequence[str], text: str) -> None:
    assert refusal(*words) == text


def test_help_and_version_are_found_where_they_stand() -> None:
    for words in (["-h"], ["--help"], ["-help"], ["--raftId", "n1", "--help", "--nonsense"]):
        assert read_command_line(words, FLAGS.values()).wanted == "help"
    assert read_command_line(["--version"], FLAGS.values()).wanted == "version"
    assert read_command_line(["--raftId", "--help"], FLAGS.values()).wanted == ""


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_are_obeyed_or_refused_in_words(words: list[str]) -> None:
    try:
        line = read_command_line(words, FLAGS.values())
        if not line.wanted:
            load({name: text for name, text in line.texts.items() if name != "config"}, {})
    except UsageError:
        pass


# ---- kinds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("100ms", 0.1),
        ("1s", 1.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1h0m0.25s", 3600.25),
        ("250us", 0.00025),
        ("250µs", 0.00025),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "-1s", "1d", "1s 2ms", "1.2.3s", "1e3s", "0x1s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is expected"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("17", 17), ("1k", 1000), ("1kb", 1024), ("64mb", 64 << 20), ("1GB", 1 << 30), ("2M", 2_000_000)],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "mb", "1tb", "1.5mb", "-1", "1 mb", "1kbb"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="a size is expected"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost:50051", "localhost", 50051),
        ("LocalHost:1", "localhost", 1),
        (":6379", "", 6379),
        ("[::1]:80", "::1", 80),
        ("[2001:DB8::0:1]:80", "2001:db8::1", 80),
        ("n1.kv.internal:50051", "n1.kv.internal", 50051),
        ("node_1:50051", "node_1", 50051),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)
    assert parse_address(str(parse_address(text))) == Address(host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost", "has no port"),
        ("localhost:", "is not a port"),
        ("localhost:http", "is not a port"),
        ("localhost:65536", "is not a port"),
        ("::1:80", "is written in brackets"),
        ("[localhost]:80", "is not an IPv6 address"),
        ("10.0.0:80", "is not an IPv4 address"),
        ("10.0.0.256:80", "is not an IPv4 address"),
        ("a b:80", "is not a host name"),
        ("-a:80", "is not a host name"),
        ("http://a:80", "is written in brackets"),
    ],
)
def test_no_addresses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_address(text)


def test_output_limits_are_written_as_in_redis_conf() -> None:
    limits = parse_output_limits("normal 1mb 512kb 10 slave 2mb 1mb 20")
    assert limits.normal == OutputLimit(1 << 20, 512 << 10, 10)
    assert limits.replica == OutputLimit(2 << 20, 1 << 20, 20)
    assert limits.pubsub == OutputLimits().pubsub
    assert parse_output_limits(str(limits)) == limits


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("normal 0 0", "four words per class"),
        ("master 0 0 0", "not a client class"),
        ("normal x 0 0", "a size is expected"),
        ("normal 0 0 1s", "not a number of seconds"),
    ],
)
def test_no_output_limits(text: str, reason: str) -> None:
    assert reason in refusal("--redisClientOutputBufferLimit", text)


def test_redis_seconds_may_be_bare_or_a_duration() -> None:
    assert settings("--redisTimeout=300").redis.timeout == 300
    assert settings("--redisTimeout=5m").redis.timeout == 300
    assert "whole seconds" in refusal("--redisTimeout=1500ms")


@pytest.mark.parametrize("flag", FLAGS.values(), ids=lambda flag: flag.name)
@given(text=st.text(max_size=20))
def test_a_kind_answers_or_says_why_not(flag: Flag, text: str) -> None:
    said = "fine"
    try:
        flag.kind.parse(text)
    except ValueError as error:
        said = str(error)
    assert said


# ---- sources -------------------------------------------------------------------------------------------------------


def test_flag_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text("raftId: from-file\nredisDatabases: 3\nredisMaxClients: 30\n")
    found = settings(
        *("--config", str(file), "--raftId", "from-flag"),
        ELASTICKV_RAFT_ID="from-environment",
        ELASTICKV_REDIS_DATABASES="2",
    )
    assert (found.raft.id, found.redis.databases, found.redis.max_clients) == ("from-flag", 2, 30)
    assert found.redis.timeout == 0
    assert found.node.config == file


def test_an_empty_variable_is_not_set() -> None:
    assert settings(ELASTICKV_RAFT_ID="", ELASTICKV_RAFT_BOOTSTRAP="") == settings()


def test_a_variable_that_looks_like_a_slip_is_worth_a_warning() -> None:
    assert settings(ELASTICKV_RAFTID="n1").warnings == (
        "the environment variable ELASTICKV_RAFTID is not a setting (did you mean ELASTICKV_RAFT_ID?)",
    )
    kubernetes = {"ELASTICKV_SERVICE_HOST": "10.1.2.3", "ELASTICKV_PORT_6379_TCP_ADDR": "10.1.2.3", "PATH": "/bin"}
    assert settings(**kubernetes).warnings == ()


def test_the_file_can_be_named_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text('raftId = "n4"\nraftBootstrap = true\nredisTimeout = 7\nstorageMemtableBytes = "32mb"\n')
    found = settings(ELASTICKV_CONFIG=str(file))
    assert (found.raft.id, found.raft.bootstrap, found.redis.timeout) == ("n4", True, 7)
    assert found.storage.memtable_bytes == 32 << 20


def test_pairs_may_be_tables_or_lists(tmp_path: Path) -> None:
    file = tmp_path / "e.yml"
    file.write_text(
        "address: 10.0.0.11:50051\nraftId: n1\nraftBootstrap: true\n"
        "raftBootstrapMembers:\n  n1: 10.0.0.11:50051\n  n2: 10.0.0.12:50051\n"
        "raftRedisMap:\n- 10.0.0.11:50051=10.0.0.11:6379\n- 10.0.0.12:50051=10.0.0.12:6379\n"
    )
    found = settings("--config", str(file)).raft
    assert [member.id for member in found.bootstrap_members] == ["n1", "n2"]
    assert found.redis_map == {f"10.0.0.{n}:50051": f"10.0.0.{n}:6379" for n in (11, 12)}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("raftid: n1", 'unknown setting "raftid" in FILE (did you mean raftId?); keys are the names of flags'),
        ("config: other.yaml", "FILE cannot name another configuration file; remove its config key"),
        ("raftId: 0123", 'invalid value "83" for raftId in FILE: a number was not expected; put text in quotes'),
        ("raftId: on", 'invalid value "True" for raftId in FILE: a boolean was not expected; put text in quotes'),
        ("redisDatabases: 0", 'invalid value "0" for redisDatabases in FILE: must be at least 1'),
        ("redisRequirePass: [a]", 'invalid value "***" for redisRequirePass in FILE: a list was not expected'),
        ("raftId: n1\nraftId: n2", 'FILE, line 2: "raftId" is there twice'),
        ("- raftId", "FILE: settings are expected as `name: value` lines"),
        ("raftId: [", "FILE, line 1: expected the node content, but found '<stream end>'"),
        ("raftId: !!python/name:os.system", "could not determine a constructor for the tag"),
    ],
)
def test_no_configuration_file(tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(content)
    assert text.replace("FILE", str(file)) in refusal("--config", str(file))


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text("# nothing yet\n")
    assert settings("--config", str(file)).raft == settings().raft


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal("--config", "/nowhere.yaml") == (
        'invalid value "/nowhere.yaml" for flag -config: No such file or directory'
    )
    (tmp_path / "e.ini").write_text("")
    assert "must end in .yaml" in refusal("--config", str(tmp_path / "e.ini"))
    (tmp_path / "e.toml").write_text("a = = b")
    assert str(tmp_path / "e.toml") in refusal("--config", str(tmp_path / "e.toml"))
    (tmp_path / "e.yaml").write_bytes(b"\xff\xfe\xff")
    assert "not UTF-8" in refusal("--config", str(tmp_path / "e.yaml"))


def test_a_wrong_variable_is_named() -> None:
    assert refusal(ELASTICKV_REDIS_DATABASES="x") == (
        'invalid value "x" for environment variable ELASTICKV_REDIS_DATABASES: a whole number is expected'
    )


# ---- secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_from_a_file_is_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret \nsecond line\n")
    found = settings("--redisRequirePassFile", str(file), "--metricsTokenFile", str(file))
    assert (found.redis.require_pass, found.metrics.token) == ("s3cret", "s3cret")


def test_the_stronger_source_of_a_secret_wins(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file")
    assert settings("--metricsToken=flag", ELASTICKV_METRICS_TOKEN_FILE=str(file)).metrics.token == "flag"
    assert settings("--metricsTokenFile", str(file), ELASTICKV_METRICS_TOKEN="variable").metrics.token == "from-file"
    assert refusal("--metricsToken=flag", "--metricsTokenFile", str(file)) == (
        "flag -metricsToken and flag -metricsTokenFile exclude each other; give one of them"
    )


def test_a_secret_file_that_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("\n")
    assert "its first line is empty" in refusal("--metricsTokenFile", str(file))
    assert "No such file" in refusal("--redisRequirePassFile", str(tmp_path / "other"))


def test_secrets_are_not_shown() -> None:
    found = settings("--redisRequirePass=hunter2", "--metricsToken=hunter2")
    assert "hunter2" not in repr(found)


# ---- the checks of a cluster ---------------------------------------------------------------------------------------


def test_nothing_at_all_is_a_useful_single_node() -> None:
    found = settings()
    assert (found.raft.id, found.raft.bootstrap, found.raft.data_dir) == ("n1", True, Path("data"))
    assert str(found.grpc.address) == "localhost:50051"
    assert found.warnings == ()
    assert not found.metrics.address_given


def test_a_single_node_need_not_create_a_cluster() -> None:
    assert settings("--raftBootstrap=false").raft.bootstrap is False


def test_a_named_node_waits_to_be_contacted() -> None:
    assert settings("--raftId", "n2").raft.bootstrap is False


def test_the_guide_node_1() -> None:
    found = settings(*GUIDE_N1)
    assert found.raft.bootstrap is True
    assert found.raft.bootstrap_members[4] == Member("n5", Address("10.0.0.15", 50051))
    assert found.raft.redis_map["10.0.0.13:50051"] == "10.0.0.13:6379"
    assert found.raft.data_dir == Path("/var/lib/elastickv")
    assert found.warnings == ()


def test_the_guide_node_2() -> None:
    found = settings(*GUIDE_N2)
    assert (found.raft.id, found.raft.bootstrap, found.raft.bootstrap_members) == ("n2", False, ())
    assert found.warnings == ()


@pytest.mark.parametrize("name", ["raftRedisMap", "raftDynamoMap", "raftBootstrapMembers"])
def test_a_clustered_node_needs_an_id(name: str) -> None:
    value = "n1=10.0.0.11:50051" if name == "raftBootstrapMembers" else "10.0.0.11:50051=10.0.0.11:1"
    assert refusal(f"--{name}", value, "--address", "10.0.0.11:50051") == (
        'invalid value "" for flag -raftId (its default): a node ID is required because '
        f"flag -{name} names other nodes; give --raftId, such as n1"
    )


def test_members_without_this_node() -> None:
    assert refusal(*GUIDE_N1, "--raftId", "n9").endswith(
        'this node, "n9", is not in it; add n9=10.0.0.11:50051 or start --raftBootstrap on one of the nodes that are'
    )


def test_members_with_another_address_for_this_node() -> None:
    assert refusal(*GUIDE_N1, "--address", "10.0.0.12:50051").endswith(
        '"n1" has the address 10.0.0.11:50051 here, but --address is 10.0.0.12:50051; make them equal'
    )


def test_members_without_bootstrap_are_not_used() -> None:
    found = settings(*GUIDE_N2, "--raftBootstrapMembers", MEMBERS.replace("10.0.0.12", "10.0.0.99"))
    assert found.raft.bootstrap is False
    assert found.warnings == (
        "--raftBootstrapMembers is used only together with --raftBootstrap; this node waits to be contacted",
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("n1=10.0.0.11:50051,n1=10.0.0.12:50051", 'node ID "n1" is listed twice'),
        ("n1=10.0.0.11:50051,n2=10.0.0.11:50051", '"n1" and "n2" have the same address 10.0.0.11:50051'),
        ("n1", '"n1" has no "="; id=host:port,... is expected'),
        ("n1=10.0.0.11", '"10.0.0.11" has no port; host:port is expected'),
        ("=10.0.0.11:50051", "has no node ID"),
        ("n 1=10.0.0.11:50051", "a node ID has 1 to 64 characters"),
        ("n1=0.0.0.0:50051", '"0.0.0.0" leads nowhere from there'),
        ("n1=[::]:50051", '"::" leads nowhere from there'),
        ("n1=:50051", "an empty host leads nowhere from there"),
        ("n1=10.0.0.11:0", "its port cannot be 0"),
    ],
)
def test_no_members(value: str, reason: str) -> None:
    text = refusal("--raftId", "n1", "--raftBootstrap", "--raftBootstrapMembers", value)
    assert text.startswith(f'invalid value "{value}" for flag -raftBootstrapMembers: ')
    assert reason in text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("10.0.0.11:50051", 'has no "="; raftAddress=doorAddress,... is expected'),
        ("10.0.0.11:50051=10.0.0.11:99999", '"99999" is not a port'),
        ("a:1=b:1,a:1=c:1", '"a:1" is listed twice'),
        ("a:1=b:1,c:1=b:1", '"b:1" stands behind both "a:1" and "c:1"'),
        ("a:1=0.0.0.0:6379", "leads nowhere"),
    ],
)
@pytest.mark.parametrize("name", ["raftRedisMap", "raftDynamoMap"])
def test_no_map(name: str, value: str, reason: str) -> None:
    text = refusal("--raftId", "n1", f"--{name}={value}")
    assert text.startswith(f'invalid value "{value}" for flag -{name}: ')
    assert reason in text


def test_spaces_and_a_last_comma_do_no_harm() -> None:
    assert settings("--raftId=n1", "--raftRedisMap", " a:1 = b:1 , ", "--address=a:1").raft.redis_map == {"a:1": "b:1"}


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", ""])
def test_every_interface_cannot_be_advertised(host: str) -> None:
    text = refusal("--address", f"{host}:50051")
    assert "for flag -address: this address is given to other members" in text
    assert text.endswith("such as 10.0.0.11:50051")


def test_doors_that_are_not_advertised_may_listen_everywhere() -> None:
    assert settings("--redisAddress", "0.0.0.0:6379", "--dynamoAddress", ":8000").redis.address.every_interface


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_loopback_beside_members_that_live_elsewhere(host: str) -> None:
    text = refusal("--raftId=n2", "--address", f"{host}:50051", "--raftRedisMap", REDIS_MAP)
    assert text.startswith(f'invalid value "{host}:50051" for flag -address: flag -raftRedisMap names 10.0.0.11:50051')
    members = f"n1={host}:50051,n2=10.0.0.12:50051"
    text = refusal(*("--raftId=n1", "--address", f"{host}:50051", "--raftBootstrap", "--raftBootstrapMembers", members))
    assert "use the address by which the other members reach this node" in text


def test_loopback_beside_loopback() -> None:
    members = "n1=127.0.0.11:50051,n2=127.0.0.12:50051"
    found = settings(
        *("--raftId=n1", "--address=127.0.0.11:50051", "--raftBootstrap", "--raftBootstrapMembers", members)
    )
    assert len(found.raft.bootstrap_members) == 2


def test_a_map_without_this_node_is_worth_a_warning() -> None:
    found = settings("--raftId=n9", "--address=10.0.0.19:50051", "--raftRedisMap", REDIS_MAP)
    assert len(found.warnings) == 1
    assert "has no entry for this node (10.0.0.19:50051)" in found.warnings[0]


@pytest.mark.parametrize("host", ["10.0.0.11", "0.0.0.0", "", "[::]"])
def test_metrics_off_loopback_need_a_token(host: str) -> None:
    address = f"--metricsAddress={host}:9090"
    assert "a token is required" in refusal(address)
    assert settings(address, "--metricsToken=t").metrics.token == "t"


def test_an_address_for_metrics_that_was_asked_for_is_remembered() -> None:
    assert settings("--metricsAddress=127.0.0.11:9090").metrics.address_given
    assert settings(ELASTICKV_METRICS_ADDRESS="localhost:9090").metrics.address_given


def test_two_doors_on_one_address() -> None:
    assert refusal("--redisAddress=localhost:50051") == (
        'invalid value "localhost:50051" for flag -redisAddress: '
        "--address has the same address; give each door a port of its own"
    )
    assert settings("--redisAddress=localhost:0", "--dynamoAddress=localhost:0").redis.address.port == 0


def test_proportions() -> None:
    assert "at least 3 times --heartbeatInterval (100ms)" in refusal("--electionTimeout=250ms")
    assert "below --grpcMaxMessageBytes (64mb)" in refusal("--rawMaxValueBytes=64mb")
    assert "below --grpcMaxMessageBytes (8mb)" in refusal("--grpcMaxMessageBytes=8mb", "--raftMaxAppendBytes=8mb")


def test_long_values_are_cut_and_control_characters_are_spelled() -> None:
    assert len(refusal("--raftRedisMap", "x" * 5000, "--raftId=n1")) < 5500
    assert "\\n" in refusal("--raftId", "a\nb")
