"""Users and the clients that are logged in as them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from elastickv.redis_api.acl.permissions import Denial, Denied, denial, may_listen
from elastickv.redis_api.acl.rules import User
from elastickv.redis_api.acl.users import DEFAULT
from elastickv.redis_api.client_info import describe
from elastickv.redis_api.errors import WRONG_PASSWORD, RedisError
from elastickv.redis_api.pubsub import Kind

if TYPE_CHECKING:
    from elastickv.redis_api.dispatch import Router
    from elastickv.redis_api.session import Session

_REASONS: Final = {Denied.COMMAND: b"command", Denied.KEY: b"key", Denied.CHANNEL: b"channel"}


def log_in(session: Session, name: bytes, password: bytes, command: bytes) -> None:
    """Become that user; WRONGPASS, and an entry in ACL LOG that names the command."""
    state = session.state
    user = state.users.get(name)
    if user is None or not user.admits(password):
        context = b"multi" if session.in_exec else b"toplevel"
        state.audit.add(b"auth", context, command, name, describe(session).rstrip(), state.clock.wall_ms())
        raise WRONG_PASSWORD
    session.authenticated = True
    if session.user is not user:
        session.user = user
        session.sync_epoch += 1
    session.settle_mode()
    session.link.authentication_changed()


def would_refuse(session: Session, router: Router, argv: list[bytes]) -> bool:
    """For lack of rights, or because the user or the password is unknown. For a node that does not lead: it may not
    have heard of the newest users."""
    try:
        route = router.find(argv)
    except RedisError:
        return False
    if not route.accepts(len(argv)):
        return False
    if route.name in ("auth", "hello"):
        login = _login(argv)
        if login is None:
            return False
        user = session.state.users.get(login[0])
        return user is None or not user.admits(login[1])
    if session.user.unrestricted or route.internal or not session.authenticated:
        return False
    return denial(session.user, route.command, argv) is not None


def _login(argv: list[bytes]) -> tuple[bytes, bytes] | None:
    """User and password of AUTH or HELLO."""
    if argv[0].lower() == b"auth":
        return (argv[1], argv[2]) if len(argv) == 3 else (DEFAULT, argv[1])
    words = [word.lower() for word in argv]
    at = words.index(b"auth") if b"auth" in words else len(argv)
    return (argv[at + 1], argv[at + 2]) if at + 2 < len(argv) else None


def log_denial(session: Session, found: Denial, context: bytes) -> None:
    state = session.state
    info = describe(session).rstrip()
    state.audit.add(_REASONS[found.denied], context, found.object, found.user, info, state.clock.wall_ms())


def follow_users(session: Session) -> None:
    """Users have changed: who has been deleted must go, and who listens to what he may not hear any more."""
    users = session.state.users
    user = users.get(session.user.name)
    if user is None or (user is not session.user and not _may_still_listen(session, user)):
        if session is users.acting:
            session.closing = True
        else:
            session.link.abort()
        return
    session.user = user
    if not session.authenticated:
        session.authenticated = user.open
    session.settle_mode()
    session.link.authentication_changed()


def _may_still_listen(session: Session, user: User) -> bool:
    return all(
        any(may_listen(selector, name, is_pattern=kind is Kind.PATTERN) for selector in user.selectors)
        for kind, names in session.subscriptions.names.items()
        for name in names
    )
