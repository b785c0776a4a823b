"""Rules of users: what ACL SETUSER takes, in Redis' normal form, and what the record gives back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api.acl.permissions import Denied, denial
from elastickv.redis_api.acl.rules import RuleError, UnmatchedParenthesis, User, hash_password, merge_selectors
from elastickv.redis_api.acl.users import Users
from elastickv.redis_api.registry import COMMANDS
from tests.kit.fake_redis_store import FakeStore


def user(*words: str) -> User:
    return User(b"u").changed(merge_selectors([word.encode() for word in words]))


def reason(user: User, line: str) -> Denied | None:
    argv = [word.encode() for word in line.split()]
    command = COMMANDS[argv[0].decode()]
    if command.subcommands:
        command = command.subcommands[argv[1].decode()]
    found = denial(user, command, argv)
    return None if found is None else found.denied


@pytest.mark.parametrize(
    ("rules", "described"),
    [
        ("", "off sanitize-payload resetchannels -@all"),
        ("on nopass allkeys allchannels +@all", "on nopass sanitize-payload ~* &* +@all"),
        ("+@all -get -config|get", "off sanitize-payload resetchannels +@all -get -config|get"),
        ("+config|get +config|set -config", "off sanitize-payload resetchannels -@all -config"),
        ("+get +@read +get", "off sanitize-payload resetchannels -@all +@read +get"),
        ("%R~a* %W~a* %RW~b ~c", "off sanitize-payload ~a* ~b ~c resetchannels -@all"),
        ("skip-sanitize-payload &x", "off skip-sanitize-payload resetchannels &x -@all"),
        ("+select|0 +select|1 +select", "off sanitize-payload resetchannels -@all +select"),
        (
            "(+get ~a) (%W~b +set)",
            "off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (%W~b resetchannels -@all +set)",
        ),
        ("(+get ~a) clearselectors", "off sanitize-payload resetchannels -@all"),
        ("on nopass +@all ~x reset", "off sanitize-payload resetchannels -@all"),
        ("+@all nocommands +@fast", "off sanitize-payload resetchannels -@all +@fast"),
    ],
)
def test_descriptions(rules: str, described: str) -> None:
    assert user(*rules.split()).describe() == f"user u {described}".encode()


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("+nope", b"Unknown command or category name in ACL"),
        ("-nope", b"Unknown command or category name in ACL"),
        ("+@nope", b"Unknown command or category name in ACL"),
        ("+config|nope", b"Unknown command or category name in ACL"),
        ("+get|", b"Syntax error"),
        ("foo", b"Syntax error"),
        ("%~a", b"Syntax error"),
        ("%RR~a", b"Syntax error"),
        ("%X~a", b"Syntax error"),
        ("%Ra", b"Syntax error"),
        ("#1234", b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"),
        ("<x", b"The password you are trying to remove from the user does not exist"),
        ("+config|get|x", b"Allowing first-arg of a subcommand is not supported"),
        ("(on)", b"Syntax error"),
    ],
)
def test_refusals(rules: str, reason: bytes) -> None:
    with pytest.raises(RuleError) as caught:
        user(*rules.split())
    assert (caught.value.word, caught.value.reason) == (rules.encode(), reason)


def test_a_parenthesis_that_stays_open() -> None:
    with pytest.raises(UnmatchedParenthesis):
        user("on", "(+get", "~a")


def test_passwords() -> None:
    one = user("on", ">a", ">b", ">a", "#" + "0" * 64)
    assert one.passwords == (hash_password(b"a"), hash_password(b"b"), b"0" * 64)
    assert one.admits(b"b")
    assert not one.admits(b"c")
    assert not one.changed([b"<b"]).admits(b"b")
    assert not one.changed([b"off"]).admits(b"b")
    assert one.changed([b"nopass"]).admits(b"whatever")
    assert not one.changed([b"nopass", b"resetpass"]).admits(b"a")


def test_what_is_allowed() -> None:
    one = user("+@all", "-@dangerous", "%R~in*", "~both*", "&news*", "(+del ~tmp*)", "(+flushall)")
    assert reason(one, "get in1") is None
    assert reason(one, "set in1 x") is Denied.KEY
    assert reason(one, "set both1 x") is None
    assert reason(one, "rename both1 in1") is Denied.KEY
    assert reason(one, "exists in1") is None
    assert reason(one, "del tmp1") is None
    assert reason(one, "del other") is Denied.KEY
    assert reason(one, "keys *") is Denied.COMMAND
    assert reason(one, "flushall") is None
    assert reason(one, "publish news1 x") is None
    assert reason(one, "publish other x") is Denied.CHANNEL
    assert reason(one, "subscribe news1 other") is Denied.CHANNEL
    assert reason(one, "psubscribe news*") is None
    assert reason(one, "psubscribe news1*") is Denied.CHANNEL
    assert reason(one, "unsubscribe other") is None
    assert reason(user("+select|0"), "select 0") is None
    assert reason(user("+select|0"), "select 1") is Denied.COMMAND
    assert reason(user(), "auth x") is None
    assert reason(user("+config|get"), "config get x") is None
    assert reason(user("+config|get"), "config set x y") is Denied.COMMAND


PATTERNS = st.binary(min_size=1, max_size=12).filter(lambda text: not set(text) & set(b" \t\n\v\f\r\0"))


@given(
    keys=st.lists(PATTERNS, max_size=3),
    channels=st.lists(PATTERNS, max_size=3),
    inner=st.lists(PATTERNS.filter(lambda text: not set(text) & set(b"\"'\\()")), max_size=2),
    words=st.lists(
        st.sampled_from([b"+@all", b"-get", b"+@read", b"+select|0", b"on", b"nopass", b">pw", b"~*"]), max_size=4
    ),
)
def test_the_record_gives_back_every_user(
    keys: list[bytes], channels: list[bytes], inner: list[bytes], words: list[bytes]
) -> None:
    store = FakeStore()
    users = Users(store, b"")
    rules = [*(b"~" + one for one in keys), *(b"&" + one for one in channels), *words]
    rules += [b"(+get ~%b)" % one for one in inner]
    made = User(b"someone").changed(rules)
    users.put(made)
    store.settle()
    follower = FakeStore()
    follower.serving = False
    follower.engine.data = store.engine.data
    again = Users(follower, b"").get(b"someone")
    assert again is not None
    assert again.describe() == made.describe()
    assert again == made


def test_a_dropped_change_is_taken_back() -> None:
    store = FakeStore()
    users = Users(store, b"")
    users.put(User(b"x").changed([b"on"]))
    assert users.get(b"x") is not None
    store.view.forming.puts.clear()
    users.reload()
    assert users.get(b"x") is None


def test_the_secret_between_nodes() -> None:
    users = Users(FakeStore(), b"")
    assert users.is_node(b"")
    users.put(User(b"x"))
    secret = users.node_secret
    assert len(secret) == 64
    assert users.is_node(secret)
    assert not users.is_node(b"")
    users.put(User(b"y"))
    assert users.node_secret == secret
    assert Users(FakeStore(), b"pw").is_node(b"pw")
    assert not Users(FakeStore(), b"pw").is_node(b"")
