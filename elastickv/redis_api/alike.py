"""Commands that come several times in a row with the same words, as pops do from a client that pipelines: run at once.

What they cost apart, above all finding the collection, opening and storing it, is then paid once. A command takes part
when it declares `alike`. Everybody else sees what they would have seen: nothing comes in between within a burst anyway,
and while somebody listens to keyspace events the commands run one by one.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from elastickv.errors import KvError
from elastickv.redis_api.dispatch import Route, failure
from elastickv.redis_api.replies import encoders

if TYPE_CHECKING:
    from elastickv.redis_api.resp import Words
    from elastickv.redis_api.session import Call

MOST: Final = 256
"""Run at once; that takes about a millisecond."""


def run_alike(call: Call, route: Route, commands: list[Words]) -> list[bytes]:
    """The encoded replies of the commands that are like the first one; none when they are to run one by one."""
    alike = route.alike
    first = commands[0]
    if alike is None or len(first) != 2 or call.databases.listener is not None:
        return []
    times = 1
    most = min(len(commands), MOST)
    while times < most and commands[times] == first:
        times += 1
    call.argv = first
    began = perf_counter_ns()
    try:
        replies = alike(call, times)
    except KvError:
        return []  # nothing was done, and each of them is told so
    except Exception as error:
        replies = [failure(call.session.state, call.session, route, first, error)] * times
    if replies is None:
        return []
    spent = perf_counter_ns() - began
    route.ns += spent
    route.buckets[(spent // times).bit_length()] += times
    state = call.session.state
    if spent >= state.slow_ns * times:
        state.slow_command(route.name, first, spent // times, call.session.address, call.session.name)
    encoder_of = encoders(call.protocol)
    return [encoder_of[type(reply)](reply) for reply in replies]
