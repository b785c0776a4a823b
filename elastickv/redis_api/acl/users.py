"""All users of the cluster, as this node knows them: one record in the keyspace, in the format of an ACL file.

Changed on the leader within a command (`shared.SharedRecord`), followed by every node. The record also holds the secret
by which nodes recognise each other at the Redis door: without it anybody could claim to speak for a client
(ELASTICKV.SESSION) and be whom he likes. It is made with the first change of a user; before that everybody is the
default user anyway. Where --redisRequirePass is set that password is the secret.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from elastickv.kv.keyspace import META
from elastickv.kv.ports import Store
from elastickv.redis_api.acl.rules import RuleError, Selector, User, merge_selectors
from elastickv.redis_api.resp import split_words
from elastickv.redis_api.shared import SharedRecord

if TYPE_CHECKING:
    from elastickv.redis_api.session import Session

log = logging.getLogger(__name__)

_USERS_KEY: Final = META + b"redis-users"
DEFAULT: Final = b"default"


class Users:
    def __init__(self, store: Store, require_pass: bytes) -> None:
        password = [b">" + require_pass] if require_pass else [b"nopass"]
        self._first_default = User(DEFAULT).changed([b"on", *password, b"~*", b"&*", b"+@all"])
        self._require_pass = require_pass
        self.all: dict[bytes, User] = {DEFAULT: self._first_default}
        self._secret = b""
        self._told: Callable[[], None] = lambda: None
        self.acting: Session | None = None
        """Whose command changes users: it is answered before it must go."""
        self._record = SharedRecord(store, _USERS_KEY, self._changed)

    def start(self, told: Callable[[], None]) -> None:
        """`told` is called whenever users have changed."""
        self._told = told

    @property
    def default(self) -> User:
        return self.all[DEFAULT]

    def get(self, name: bytes) -> User | None:
        return self.all.get(name)

    @property
    def node_secret(self) -> bytes:
        """What another node must know to speak for its clients; empty when nobody is kept out of anything."""
        return self._require_pass or self._secret

    def is_node(self, secret: bytes) -> bool:
        return not self.node_secret or hmac.compare_digest(self.node_secret, secret)

    # on the leader, within a command

    def put(self, user: User) -> None:
        self._write({**self.all, user.name: user})

    def delete(self, name: bytes) -> bool:
        if name not in self.all:
            return False
        self._write({other: user for other, user in self.all.items() if other != name})
        return True

    def _write(self, users: dict[bytes, User]) -> None:
        secret = self._secret or secrets.token_hex(32).encode()
        self._record.write(b"\n".join([b"secret " + secret, *(_written(user) for user in users.values())]))

    # following

    def reload(self) -> None:
        self._record.reload()

    def _changed(self, raw: bytes) -> None:
        users = {DEFAULT: self._first_default}
        self._secret = b""
        for line in raw.split(b"\n") if raw else ():
            kind, _, rest = line.partition(b" ")
            if kind == b"secret":
                self._secret = rest
                continue
            name, _, rules = rest.partition(b" ")
            known = self.all.get(name)
            if known is not None and _written(known) == line:
                users[name] = known
                continue
            try:
                users[name] = User(name).changed(merge_selectors(split_words(rules) or []))
            except RuleError as error:
                # Another version's: better too few rights than too many.
                log.error("the rule %r of user %r means nothing to this version", error.word, name)
                users[name] = User(name)
        self.all = {name: users[name] for name in sorted(users)}
        self._told()


def _written(user: User) -> bytes:
    """Quoted so that `split_words` gives back every word, whatever bytes are in it."""
    passwords = [b"#" + one for one in user.passwords]
    selectors = [_quoted(b"(%b)" % _quoted_words(selector)) for selector in user.selectors[1:]]
    return b" ".join([b"user", user.name, *user.flags(), *passwords, _quoted_words(user.root), *selectors])


def _quoted_words(selector: Selector) -> bytes:
    return b" ".join(map(_quoted, selector.describe().split(b" ")))


def _quoted(word: bytes) -> bytes:
    plain = all(32 <= byte < 127 and byte not in b'"\\' for byte in word)
    return b'"%b"' % (word if plain else b"".join(b"\\x%02x" % byte for byte in word))
