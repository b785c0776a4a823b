"""Scripts and libraries as records of the cluster: another leader, dropped writes, what is forgotten."""

from __future__ import annotations

import hashlib

from elastickv.kv.keyspace import prefix_end
from elastickv.redis_api.scripting import functions, store
from elastickv.redis_api.scripting.scripts import Scripts
from elastickv.redis_api.scripting.store import MAX_EVALUATED
from tests.kit.server_calls import ServerCalls

NO_SCRIPT = b"NOSCRIPT No matching script. Please use EVAL."
LIBRARY = "#!lua name=lib\nlocal calls = 0\nredis.register_function('f', function() calls = calls + 1 return calls end)"


def another_leader(server: ServerCalls) -> None:
    """The same records, nothing in memory."""
    server.state.scripts = Scripts(server.state, server.router)


def records(server: ServerCalls, prefix: bytes) -> list[bytes]:
    return [key for key, _ in server.store.view.scan(prefix, prefix_end(prefix))]


def test_scripts_are_known_to_the_next_leader() -> None:
    server = ServerCalls()
    loaded = server.run("SCRIPT", "LOAD", "return 'loaded'")
    server.eval("return 'seen'")
    seen = hashlib.sha1(b"return 'seen'").hexdigest().encode()
    another_leader(server)
    assert server.run("EVALSHA", loaded, 0) == b"loaded"
    assert server.run("EVALSHA", seen, 0) == b"seen"
    assert server.run("SCRIPT", "EXISTS", loaded, seen, b"0" * 40) == [1, 1, 0]
    server.run("SCRIPT", "FLUSH")
    assert server.error("EVALSHA", loaded, 0) == NO_SCRIPT
    another_leader(server)
    assert server.error("EVALSHA", seen, 0) == NO_SCRIPT


def test_writes_that_were_dropped_are_not_remembered() -> None:
    server = ServerCalls()
    server.state.view.begin()
    sha = server.state.scripts.store.load(b"return 1").sha
    server.state.scripts.functions.load([LIBRARY.encode()], replace=False)
    server.state.view.undo()
    server.state.scripts.reset()
    assert server.error("EVALSHA", sha, 0) == NO_SCRIPT
    assert server.error("FCALL", "f", 0) == b"ERR Function not found"
    assert server.run("SCRIPT", "LOAD", "return 1") == sha
    assert server.run("EVALSHA", sha, 0) == 1


def test_a_script_costs_one_record_and_no_more_writes() -> None:
    server = ServerCalls()
    server.eval("return 1")
    server.state.view.forming.puts.clear()
    server.router.execute(server.call, [b"EVAL", b"return 1", b"0"])
    assert not server.state.view.forming
    assert len(records(server, store.PREFIX)) == 1


def test_of_evaluated_scripts_the_oldest_are_forgotten_and_loaded_ones_never() -> None:
    server = ServerCalls()
    loaded = server.run("SCRIPT", "LOAD", "return 'loaded'")
    for number in range(MAX_EVALUATED + 20):
        server.eval(f"return {number}")
    assert len(records(server, store.PREFIX)) == MAX_EVALUATED + 1
    assert server.state.scripts.store.compiled <= MAX_EVALUATED + 1
    another_leader(server)
    for number in range(20):
        server.eval(f"return 'more {number}'")
    assert len(records(server, store.PREFIX)) == MAX_EVALUATED + 1
    assert server.run("EVALSHA", loaded, 0) == b"loaded"


def test_a_script_that_does_not_compile_leaves_nothing() -> None:
    server = ServerCalls()
    server.eval_error("return (")
    server.error("SCRIPT", "LOAD", "return (")
    assert records(server, store.PREFIX) == []


def test_libraries_are_loaded_by_the_next_leader() -> None:
    server = ServerCalls()
    server.run("FUNCTION", "LOAD", LIBRARY)
    assert [server.run("FCALL", "f", 0) for _ in range(2)] == [1, 2]
    server.state.scripts.reset()
    assert server.run("FCALL", "f", 0) == 3  # the same code: nothing was loaded again
    another_leader(server)
    assert server.run("FCALL", "F", 0) == 1
    assert len(records(server, functions.PREFIX)) == 1
    server.run("FUNCTION", "DELETE", "lib")
    assert records(server, functions.PREFIX) == []


def test_a_payload_is_restored_as_a_whole_or_not_at_all() -> None:
    server = ServerCalls()
    server.run("FUNCTION", "LOAD", LIBRARY)
    server.run("FUNCTION", "LOAD", "#!lua name=two\nredis.register_function('g', function() return 2 end)")
    payload = server.run("FUNCTION", "DUMP")
    assert server.error("FUNCTION", "RESTORE", payload) == b"ERR Library lib already exists"
    server.run("FUNCTION", "DELETE", "lib")
    assert server.error("FUNCTION", "RESTORE", payload) == b"ERR Library two already exists"
    assert server.error("FCALL", "f", 0) == b"ERR Function not found"
    assert server.run("FUNCTION", "RESTORE", payload, "REPLACE") == b"OK"
    assert server.run("FCALL", "g", 0) == 2
    server.run("FUNCTION", "LOAD", "#!lua name=three\nredis.register_function('h', function() return 3 end)")
    assert server.run("FUNCTION", "RESTORE", payload, "FLUSH") == b"OK"
    assert server.error("FCALL", "h", 0) == b"ERR Function not found"
    assert server.error("FUNCTION", "RESTORE", payload[:-1] + b"x") == b"ERR DUMP payload version or checksum are wrong"


def test_rights_inside_scripts() -> None:
    server = ServerCalls()
    server.run("ACL", "SETUSER", "u", "on", ">p", "+eval", "+set", "+publish", "~k*", "&c*")
    server.run("AUTH", "u", "p")
    for script, reason in (
        ("redis.call('get','k')", b"ERR ACL failure in script: User u has no permissions to run the 'get' command"),
        ("redis.call('set','x','1')", b"ERR ACL failure in script: No permissions to access a key"),
        ("redis.call('publish','x','1')", b"ERR ACL failure in script: No permissions to access a channel"),
    ):
        assert server.eval_error(script).startswith(reason + b" script: ")
    asked = "return {tostring(redis.acl_check_cmd('get','k')), tostring(redis.acl_check_cmd('set','k','v'))}"
    assert server.eval(asked) == [b"false", b"true"]
    assert server.eval("return redis.call('set','k','v')") == b"OK"
