"""A follower's half of a client connection: commands to the leader's Redis door, replies back as they are.

Each client has an upstream connection of its own, opened when first needed, so order, WATCH and the selected database
need no multiplexing. Bursts go up as the bytes in which they came whenever they consist of nothing but commands for the
leader; replies come down untouched and are only counted (by hiredis, which is cheap and knows every RESP type).

The two nodes agree on four things, with commands that no client is told of:

- `ELASTICKV.SESSION node db protocol name watches user origin [secret]` makes the upstream session the client's. It is
  repeated before the next command whenever AUTH, SELECT, HELLO, CLIENT SETNAME or a lost WATCH changed something.
- `ELASTICKV.EXEC` carries a whole transaction. MULTI queues on the client's own node, so a transaction travels as one
  command, runs as one or not at all, and no half of it can be left behind at a former leader.
- `ELASTICKV.UNBLOCK` ends the blocking command that waits at the leader, as CLIENT UNBLOCK would, and is not answered.
- `-NOTLEADER` from a node that does not serve: this command and all after it have *not* been executed; the node closes.
  They are sent again, to the new leader, within the request timeout.

An upstream that is lost without that word leaves doubt. Commands that only read are repeated; of the others the client
is told that their outcome is unknown, and nobody repeats them. While a blocking command waits the client's connection
is closed instead, as it is when a Redis server dies: that is what queue workers are prepared for, and none of them for
an error reply (docs/decisions/0035-blocked-clients.md).

A blocking command may wait upstream for as long as it likes, and so may a script: the request timeout is not for them.

Why not redis.asyncio: docs/decisions/0030-forwarding.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final, Protocol

from elastickv.errors import Fault, KvError
from elastickv.redis_api.acl.permissions import denial
from elastickv.redis_api.dispatch import follow_reads
from elastickv.redis_api.errors import RedisError, from_fault
from elastickv.redis_api.forwarded_commands import Judge
from elastickv.redis_api.forwarded_transactions import answered, prepare, take_queue
from elastickv.redis_api.hub import Hub
from elastickv.redis_api.pending import Fixed, SelectAgain, Transaction
from elastickv.redis_api.replies import NULL_ARRAY, encode
from elastickv.redis_api.resp import Words, encode_command
from elastickv.redis_api.session import Session
from elastickv.redis_api.upstream import Upstream

log = logging.getLogger(__name__)

MAX_UNANSWERED: Final = 2048
"""Commands that may be on their way; the rest stays in the backlog."""
OLD_LEADER_SECONDS: Final = 1.0
"""How long a former leader may take to answer what it still has."""
LONG_READ_SECONDS: Final = 60.0
"""How long the leader may take for a read of many elements (`long_reads`) before its first word."""
RETRY_SECONDS: Final = 0.05
SETTLE_SECONDS: Final = 1.0
"""How long a client may wait for its node to follow what the client itself has changed."""
HANDOVER_SECONDS: Final = 0.01
"""Between a node that leads no more, or not yet, and the next attempt: the lead is on its way."""

UNBLOCK: Final = b"ELASTICKV.UNBLOCK"

NO_LEADER: Final = RedisError(b"CLUSTERDOWN no leader, or no majority of the members can be reached")
LEADER_SILENT: Final = RedisError(b"CLUSTERDOWN the leader did not answer in time; nothing was changed")
OUTCOME_UNKNOWN: Final = from_fault(
    KvError(Fault.OUTCOME_UNKNOWN, "the connection to the leader was lost after the command was sent")
)


class Owner(Protocol):
    """The client's connection, as the forwarder sees it."""

    hub: Hub
    session: Session
    backlog: deque[Words]
    outbox: deque[Any]

    def run_local(self, argv: Words) -> None: ...

    def take_marker(self) -> None: ...

    def push(self, parts: list[bytes]) -> None: ...

    def pass_through(self, data: bytes) -> None: ...

    def announce(self) -> None: ...

    @property
    def has_pushes(self) -> bool: ...

    def advance(self) -> None: ...

    def wait_for_leader(self) -> None: ...

    def close_after_replies(self) -> None: ...

    def abort(self) -> None: ...


class Forwarder:
    """Decides for one client what goes to the leader, and what becomes of it."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.hub = owner.hub
        self.judge = Judge(owner.hub.router)
        self.upstream: Upstream | None = None
        self.congested = False
        self._connecting: asyncio.Task[None] | None = None
        self._next_attempt = 0.0
        self._waiting_since = 0.0
        """Loop time since which the head of the backlog waits for a leader; 0 when it does not."""
        self._raw: tuple[bytes, int] | None = None
        self._swallow = False
        """CLIENT REPLY OFF or SKIP: replies of what is unanswered are for nobody."""
        self._special: Transaction | None = None
        """The only unanswered command, whose reply is needed whole."""
        self._special_reply: list[bytes] = []
        self._settling = False
        """The unanswered command, or the last one that was answered, changes what this node has yet to follow."""
        self._settle_task: asyncio.Task[None] | None = None
        self._elsewhere_since = 0.0
        """Loop time since which another node leads than the one whose reply is waited for; 0 when that is not so."""

    def now(self) -> float:
        return self.hub.loop.time()

    @property
    def unanswered(self) -> bool:
        upstream = self.upstream
        return upstream is not None and bool(upstream.unanswered)

    @property
    def waits_for_keys(self) -> bool:
        """The next reply is that of a blocking command."""
        upstream = self.upstream
        if upstream is None or not upstream.unanswered:
            return False
        route = self.judge.route(upstream.unanswered[0])
        return route is not None and route.blocking

    @property
    def _reads_long(self) -> bool:
        """What is waited for may be a read that steps aside again and again."""
        route = self.judge.route(self.upstream.unanswered[0]) if self.upstream is not None else None
        return route is not None and route.steps_aside

    @property
    def rests(self) -> bool:
        """Nothing is to be done until the leader answers or another one leads."""
        return not self.owner.backlog and not self._elsewhere_since and self.waits_for_keys

    def unblock(self, how: bytes) -> None:
        """End the wait of a blocking command at the leader."""
        upstream = self.upstream
        if upstream is not None and upstream.transport is not None:
            upstream.transport.write(encode_command([UNBLOCK, how]))

    @property
    def between_replies(self) -> bool:
        """No reply of the leader is on its way through in pieces, as far as that can be told."""
        upstream = self.upstream
        return upstream is None or upstream.between_replies or not upstream.unanswered

    def retire(self) -> bool:
        """This node serves: no upstream is needed any more. False while something is unanswered there."""
        if self.upstream is None:
            return True
        if self.upstream.unanswered:
            self.hub.wait(self._waiter())
            return False
        self._drop_upstream()
        return True

    def remember_raw(self, data: bytes, commands: list[Words]) -> None:
        """The backlog is about to be exactly these commands, which came as exactly these bytes."""
        self._raw = (data, len(commands))

    # one step through the backlog

    def step(self) -> bool:
        """Do something about the head of the backlog while another node leads; False when that must wait."""
        owner = self.owner
        session = owner.session
        backlog = owner.backlog
        argv = backlog[0]
        kind = type(argv)
        if kind is Fixed or kind is SelectAgain:
            if self.unanswered:
                return False
            owner.take_marker()
            return True
        if kind is list and not self._is_for_leader(argv):
            if self.unanswered:
                return False
            backlog.popleft()
            self._raw = None
            owner.run_local(argv)
            return True
        if owner.outbox:
            return False  # replies of this node's own time as leader are still open
        if session.forwarded_from:
            owner.push([encode(self.not_leader())])
            owner.close_after_replies()
            return False
        upstream = self._ready_upstream()
        if upstream is None:
            return False
        return self._send_run(upstream)

    def _is_for_leader(self, argv: Words) -> bool:
        session = self.owner.session
        router = self.hub.router
        route = router.plain.get(argv[0]) if session.ordinary else None
        if route is None:
            try:
                route = router.find(argv)
            except RedisError:
                return False
        if not route.accepts(len(argv)) or not session.authenticated:
            return False
        if route.name == "exec":
            if session.watched:
                session.lose_watches()
            return session.queue is not None and not session.queue_failed and not session.dirty and bool(session.queue)
        if session.queue is not None:
            return False
        return not route.is_local(argv) and (
            session.user.unrestricted or denial(session.user, route.command, argv) is None
        )

    def _ready_upstream(self) -> Upstream | None:
        """The connection to the present leader, in step with the session; None while that takes time."""
        leader = self.hub.state.leader()
        facts = self.hub.state.facts
        now = self.now()
        if not self._waiting_since:
            self._waiting_since = now
        if leader is None or leader.id == facts.id:
            self.owner.wait_for_leader()
            return None
        address = facts.redis_map.get(leader.address)
        if address is None:
            self._answer_head(
                RedisError(
                    b"ERR the leader is %b, and --raftRedisMap does not say where its Redis door is: "
                    b"add %b=host:port to it on this node" % (leader.address.encode(), leader.address.encode())
                )
            )
            return None
        upstream = self.upstream
        if upstream is not None and upstream.address != address:
            if upstream.unanswered:
                self.hub.wait(self._waiter())
                return None
            self._drop_upstream()
            upstream = None
        if upstream is None:
            self.hub.wait(self._waiter())
            if self._connecting is None and now >= self._next_attempt:
                self._connecting = self.hub.loop.create_task(self._connect(address))
            return None
        session = self.owner.session
        if upstream.epoch != session.sync_epoch:
            self.hub.wait(self._waiter())
            if upstream.syncing < 0 and not upstream.unanswered:
                upstream.sync(self._session_command(), session.sync_epoch)
            return None
        if upstream.syncing >= 0:
            return None
        return upstream

    def _waiter(self) -> Any:
        return self.owner

    def _answer_head(self, error: RedisError) -> None:
        """Refuse the first command of the backlog, in its turn."""
        backlog = self.owner.backlog
        backlog[0] = Fixed(encode(error))
        self.hub.state.stats.error(error.text)
        self._waiting_since = 0.0
        self._raw = None
        self.hub.loop.call_soon(self.owner.advance)

    def _session_command(self) -> Words:
        session = self.owner.session
        state = self.hub.state
        words = [
            b"ELASTICKV.SESSION",
            state.facts.id.encode() or b"?",
            b"%d" % session.call.db.number,
            b"%d" % session.call.protocol,
            session.name,
            b"%d" % session.remote_watch,
            session.user.name,
            state.tracking.origin(session),
        ]
        if state.users.node_secret:
            words.append(state.users.node_secret)
        return words

    def _send_run(self, upstream: Upstream) -> bool:
        """Send as many commands from the head of the backlog as go together."""
        owner = self.owner
        session = owner.session
        backlog = owner.backlog
        if (
            self.congested
            or len(upstream.unanswered) >= MAX_UNANSWERED
            or self._special is not None
            or self._settling
            or (upstream.unanswered and owner.has_pushes)  # they wait for a gap between replies
        ):
            self.hub.wait(self._waiter())
            return False
        raw, self._raw = self._raw, None
        if not session.ordinary or self.judge.changes_images(backlog[0]):
            return self._send_alone(upstream)
        if self._swallow:
            if upstream.unanswered:
                return False
            self._swallow = False
        run: list[Words] = []
        room = MAX_UNANSWERED - len(upstream.unanswered)
        is_for_leader = self._is_for_leader
        restricted = not session.user.unrestricted
        tracking = session.tracking is not None
        plain = self.hub.router.plain
        while backlog and len(run) < room:
            argv = backlog[0]
            if type(argv) is not list:
                break
            route = plain.get(argv[0])
            if route is None or route.local or restricted or not route.accepts(len(argv)):
                if not is_for_leader(argv) or self.judge.changes_images(argv):
                    break
                if argv[0].lower() == b"watch":
                    session.remote_watch = True
            run.append(backlog.popleft())
            if tracking:
                self._follow(argv)
        if not run:
            return self._send_alone(upstream)
        if raw is not None and raw[1] == len(run) and not backlog:
            data = raw[0]
        else:
            data = b"".join(map(encode_command, run))
        if self.hub.state.monitors:
            for argv in run:
                self.hub.router.monitor(session, argv)
        self.hub.state.stats.forwarded += len(run)
        self._waiting_since = 0.0
        upstream.send(data, run)
        self.hub.wait(self._waiter())
        return True

    def _send_alone(self, upstream: Upstream) -> bool:
        """Send one command whose reply needs care."""
        if upstream.unanswered:
            return False
        owner = self.owner
        session = owner.session
        argv = owner.backlog.popleft()
        self._swallow = session.muted or session.skipping
        if self._swallow:
            session.skipping = False
            session.settle_mode()
        if type(argv) is not Transaction and argv[0].lower() == b"exec":
            argv = take_queue(session)
        if type(argv) is Transaction and prepare(self.hub.router, argv):
            self._special = argv
            self._special_reply = []
        self._settling = self.judge.changes_images(argv)
        for one in argv.queue if type(argv) is Transaction else (argv,):
            if session.tracking is not None:
                self._follow(one)
            if self.hub.state.monitors:
                self.hub.router.monitor(session, one)
        self.hub.state.stats.forwarded += 1
        self._waiting_since = 0.0
        upstream.send(encode_command(argv), [argv])
        self.hub.wait(self._waiter())
        return True

    def _follow(self, argv: Words) -> None:
        route = self.judge.route(argv)
        if route is not None:
            follow_reads(self.owner.session, route, argv)

    async def _settle(self, data: bytes) -> None:
        try:
            await self.hub.state.store.read_barrier(timeout=SETTLE_SECONDS)
        except KvError:
            log.debug("this node may follow a little later than it is asked")
        self._settling = False
        self._settle_task = None
        self.owner.pass_through(data)
        self.owner.advance()

    # what comes back

    def replies(self, upstream: Upstream, data: bytes, last: object) -> None:
        if self._special is not None:
            self._special_reply.append(data)
            if not upstream.unanswered:
                self._finish_special(last)
        elif self._settling:
            self._special_reply.append(data)
            if not upstream.unanswered:
                whole, self._special_reply = b"".join(self._special_reply), []
                if self._swallow:
                    whole = b""
                self._settle_task = self.hub.loop.create_task(self._settle(whole))
        elif not self._swallow:
            self.owner.pass_through(data)

    def _finish_special(self, reply: object) -> None:
        transaction = self._special
        assert transaction is not None
        data = b"".join(self._special_reply)
        self._special = None
        self._special_reply = []
        session = self.owner.session
        if isinstance(reply, list):
            data = answered(session, self.hub.router, transaction, reply, data)
        if not self._swallow:
            self.owner.pass_through(data)
        self.owner.announce()

    def all_answered(self) -> None:
        self.owner.advance()

    def upstream_lost(self, upstream: Upstream, *, repeat_all: bool) -> None:
        """`repeat_all`: what is unanswered has not been executed."""
        if self.upstream is not upstream:
            return
        self.upstream = None
        self._special = None
        self._special_reply = []
        self._settling = self._settle_task is not None
        self._elsewhere_since = 0.0
        self.congested = False
        owner = self.owner
        owner.session.lose_watches()
        if upstream.unanswered and not repeat_all and not self._swallow and upstream.cut_short():
            log.warning("the leader at %s was lost in the middle of a reply; client closed", upstream.address)
            owner.abort()
            return
        if not repeat_all and any(map(self.judge.may_wait, upstream.unanswered)):
            log.info(
                "the leader at %s was lost while client %d waited; client closed", upstream.address, owner.session.id
            )
            owner.abort()
            return
        again: list[Words] = []
        stats = self.hub.state.stats
        for argv in upstream.unanswered:
            if type(argv) is Fixed:
                again.append(argv)
            elif type(argv) is Transaction and argv.guarded and (repeat_all or self.judge.only_reads(argv)):
                again.append(Fixed(encode(NULL_ARRAY, owner.session.call.protocol)))
            elif repeat_all or self.judge.only_reads(argv):
                stats.forward_retries += 1
                again.append(argv)
            else:
                stats.outcome_unknown += 1
                stats.error(OUTCOME_UNKNOWN.text)
                again.append(Fixed(b"" if self._swallow else encode(OUTCOME_UNKNOWN)))
        upstream.unanswered.clear()
        owner.backlog.extendleft(reversed(again))
        if repeat_all:
            self._try_again_soon()
        else:
            self._next_attempt = self.now() + RETRY_SECONDS
            self.hub.loop.call_soon(owner.advance)

    def _try_again_soon(self) -> None:
        self._next_attempt = self.now() + HANDOVER_SECONDS
        self.hub.loop.call_later(HANDOVER_SECONDS, self.owner.advance)

    def sync_refused(self, upstream: Upstream, text: str) -> None:
        """The leader does not take the session: wrong password, too many clients, or it does not lead any more."""
        if self.upstream is not upstream:
            return
        self.upstream = None
        waited = self.now() - self._waiting_since if self._waiting_since else 0.0
        if text.startswith("NOTLEADER") or (text.startswith("WRONGPASS") and waited < SETTLE_SECONDS):
            # In the second case this node may not have heard of the secret between nodes yet (`acl.users`).
            self._try_again_soon()
            self.hub.wait(self._waiter())
            return
        self._next_attempt = self.now() + RETRY_SECONDS
        log.warning("the leader at %s refuses this node: %s", upstream.address, text)
        if self.owner.backlog:
            self._answer_head(RedisError(b"ERR the leader refuses this node: " + text.encode()))

    # time

    def check(self, now: float) -> None:
        """Fail what has waited too long."""
        timeout = self.hub.state.facts.request_timeout
        upstream = self.upstream
        if upstream is not None and upstream.unanswered:
            waited = now - upstream.waiting_since
            # A script may take longer than any request, as long as there is a leader to run it.
            runs_script = self.judge.runs_script(upstream.unanswered[0]) and self.hub.state.leader() is not None
            blocking = self.waits_for_keys or runs_script
            if not self._leads_elsewhere(upstream):
                self._elsewhere_since = 0.0
            elif not self._elsewhere_since:
                self._elsewhere_since = now
            if self._elsewhere_since and now - max(upstream.waiting_since, self._elsewhere_since) > OLD_LEADER_SECONDS:
                self._give_up(upstream)
            elif waited > (max(timeout, LONG_READ_SECONDS) if self._reads_long else timeout + 0.2) and not blocking:
                for place, argv in enumerate(upstream.unanswered):
                    if self.judge.only_reads(argv):
                        upstream.unanswered[place] = Fixed(b"" if self._swallow else encode(LEADER_SILENT))
                self._give_up(upstream)
        elif upstream is not None and upstream.syncing >= 0 and now - upstream.waiting_since > timeout:
            self._drop_upstream()
        if self._waiting_since and now - self._waiting_since > timeout:
            self._waiting_since = 0.0
            self._fail_backlog()

    def _leads_elsewhere(self, upstream: Upstream) -> bool:
        state = self.hub.state
        leader = state.leader()
        return state.store.serving or (
            leader is not None and state.facts.redis_map.get(leader.address) not in (None, upstream.address)
        )

    def _give_up(self, upstream: Upstream) -> None:
        upstream.close()
        self.upstream_lost(upstream, repeat_all=False)

    def _fail_backlog(self) -> None:
        """No leader within the request timeout: every command that needs one is refused, in order."""
        backlog = self.owner.backlog
        error = encode(NO_LEADER)
        for place, argv in enumerate(backlog):
            if type(argv) is Transaction:
                backlog[place] = Fixed(error)
            elif type(argv) is list and self._is_for_leader(argv):
                if argv[0].lower() == b"exec":
                    self.owner.session.end_transaction()
                backlog[place] = Fixed(error)
                self.hub.state.stats.error(NO_LEADER.text)
            elif type(argv) is list:
                break  # it may change what the rest means (MULTI, SELECT)
        self._raw = None

    # the connection

    async def _connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        upstream = Upstream(self, address)
        try:
            async with asyncio.timeout(self.hub.state.facts.request_timeout):
                await self.hub.loop.create_connection(lambda: upstream, host.strip("[]"), int(port))
        except (OSError, TimeoutError) as error:
            log.debug("the leader's Redis door at %s cannot be reached: %s", address, error)
            self._next_attempt = self.now() + RETRY_SECONDS
            return
        finally:
            self._connecting = None
        self.upstream = upstream
        self._next_attempt = 0.0
        self.owner.advance()

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close()
            self.owner.session.lose_watches()

    def close(self) -> None:
        """The client has gone."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._settle_task is not None:
            self._settle_task.cancel()
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None

    def pause(self) -> None:
        """The client does not read: take nothing from the leader."""
        upstream = self.upstream
        if upstream is not None and upstream.transport is not None:
            upstream.transport.pause_reading()

    def resume(self) -> None:
        upstream = self.upstream
        if upstream is not None and upstream.transport is not None and not upstream.lost:
            upstream.transport.resume_reading()

    def not_leader(self) -> RedisError:
        leader = self.hub.state.leader()
        return RedisError(b"NOTLEADER " + (leader.address.encode() if leader is not None else b"unknown"))
