"""AWS Signature Version 4: is a request signed by someone whose secret this node knows?

Both forms are understood: the Authorization header and the query string (presigned). Checked in AWS' order: what there
is of the signature, the date, the signed headers, the algorithm, the credential scope, the access key, the signature
itself (over the body that came), the session token. Any region is accepted: they all serve the same tables.

Source: AWS General Reference, "Signing AWS API requests"; wordings as AWS answers them.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote

from elastickv.clock import Clock
from elastickv.dynamodb_api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from elastickv.dynamodb_api.request import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW_SECONDS: Final = 15 * 60
LONGEST_PRESIGNED: Final = 7 * 24 * 3600
SERVICES: Final = frozenset({"dynamodb"})
TERMINATOR: Final = "aws4_request"

_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_MAX_KEYS: Final = 256


class CredentialsError(Exception):
    """The credentials file cannot be used; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Credentials:
    secret: str
    session_token: str = ""


def read_credentials(path: Path) -> dict[str, Credentials]:
    """Access keys and their secrets: one `accessKeyId secretAccessKey [sessionToken]` per line, # begins a comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"--dynamoCredentialsFile: {path} cannot be read: {error}") from None
    known: dict[str, Credentials] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in (2, 3):
            # The line itself is not quoted: it may hold a secret.
            raise CredentialsError(
                f"--dynamoCredentialsFile: line {number} of {path} is not `accessKeyId secretAccessKey [sessionToken]`"
            )
        if words[0] in known:
            raise CredentialsError(f"--dynamoCredentialsFile: line {number} of {path} names {words[0]} again")
        known[words[0]] = Credentials(words[1], words[2] if len(words) == 3 else "")
    if not known:
        raise CredentialsError(f"--dynamoCredentialsFile: {path} holds no credentials")
    return known


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says of its signature."""

    algorithm: str
    credential: str
    signed_headers: str
    signature: str
    date: str
    token: str
    expires: int
    """Seconds after `date`; 0: the ordinary skew counts."""


class Verifier:
    def __init__(self, credentials: dict[str, Credentials], clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._keys: dict[tuple[str, str, str], bytes] = {}
        """Derived keys by access key, day and region: deriving costs four hashes."""

    def verify(self, request: Request) -> None:
        """Return, or raise AWS' exception."""
        claim = _claim(request)
        moment = _moment(claim.date)
        self._check_time(claim, moment)
        signed = claim.signed_headers.split(";")
        if "host" not in signed:
            raise InvalidSignatureException("'Host' must be a 'SignedHeader' in the AWS Authorization.")
        if claim.algorithm != ALGORITHM:
            raise IncompleteSignatureException(
                f"Unsupported AWS 'algorithm': '{claim.algorithm}' (only {ALGORITHM} for now). "
            )
        access_key, day, region, service = _scope(claim)
        known = self._credentials.get(access_key)
        if known is None:
            raise UnrecognizedClientException()
        canonical = _canonical(request, signed, claim)
        scope = f"{day}/{region}/{service}/{TERMINATOR}"
        to_sign = (
            f"{ALGORITHM}\n{claim.date}\n{scope}\n{sha256(canonical.encode('utf-8', 'surrogateescape')).hexdigest()}"
        )
        key = self._signing_key(access_key, known.secret, day, region, service)
        expected = hmac.new(key, to_sign.encode(), sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "replace")):
            raise InvalidSignatureException(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details.\n\n"
                f"The Canonical String for this request should have been\n'{canonical}'\n\n"
                f"The String-to-Sign should have been\n'{to_sign}'\n"
            )
        if known.session_token != claim.token:
            raise UnrecognizedClientException("The security token included in the request is invalid")

    def _check_time(self, claim: _Claim, moment: datetime) -> None:
        now = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC)
        age = (now - moment).total_seconds()
        if age < -SKEW_SECONDS:
            raise InvalidSignatureException(
                f"Signature not yet current: {claim.date} is still later than {_text(now, SKEW_SECONDS)} "
                f"({_text(now)} + 15 min.)"
            )
        if claim.expires:
            if age > claim.expires:
                raise InvalidSignatureException(
                    f"Signature expired: {claim.date} is now earlier than {_text(now, -claim.expires)} "
                    f"({_text(now)} - {claim.expires} s.)"
                )
        elif age > SKEW_SECONDS:
            raise InvalidSignatureException(
                f"Signature expired: {claim.date} is now earlier than {_text(now, -SKEW_SECONDS)} "
                f"({_text(now)} - 15 min.)"
            )

    def _signing_key(self, access_key: str, secret: str, day: str, region: str, service: str) -> bytes:
        known = self._keys.get((access_key, day, region))
        if known is None:
            known = f"AWS4{secret}".encode()
            for part in (day, region, service, TERMINATOR):
                known = hmac.new(known, part.encode(), sha256).digest()
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            self._keys[access_key, day, region] = known
        return known


def _claim(request: Request) -> _Claim:
    header = request.headers.get(b"authorization", b"").decode("latin-1").strip()
    query = _query(request)
    if header and "X-Amz-Algorithm" in query:
        raise InvalidSignatureException(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
        )
    if header.startswith("AWS4-"):
        return _header_claim(request, header)
    if "X-Amz-Algorithm" in query:
        return _query_claim(query)
    raise MissingAuthenticationTokenException()


def _header_claim(request: Request, header: str) -> _Claim:
    algorithm, _, rest = header.partition(" ")
    given: dict[str, str] = {}
    for pair in re.split(r"[,\s]+", rest.strip()):
        if not pair:
            continue
        name, equals, value = pair.partition("=")
        if not equals:
            raise IncompleteSignatureException(
                f"'{pair}' not a valid key=value pair (missing equal-sign) in Authorization header: '{header}'."
            )
        given[name] = value
    date = request.headers.get(b"x-amz-date") or request.headers.get(b"date") or b""
    missing = "".join(
        f"Authorization header requires '{name}' parameter. "
        for name in ("Credential", "Signature", "SignedHeaders")
        if not given.get(name)
    )
    if not date:
        missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    if missing:
        raise IncompleteSignatureException(f"{missing}Authorization={header}")
    token = request.headers.get(b"x-amz-security-token", b"").decode("latin-1")
    return _Claim(
        algorithm, given["Credential"], given["SignedHeaders"], given["Signature"], date.decode("latin-1"), token, 0
    )


def _query_claim(query: dict[str, str]) -> _Claim:
    needed = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = "".join(f"AWS query-string parameters must include '{name}'. " for name in needed if not query.get(name))
    if missing:
        raise IncompleteSignatureException(f"{missing}Re-examine the query-string parameters.")
    expires = query.get("X-Amz-Expires", "")
    if expires and not (expires.isdigit() and 0 < int(expires) <= LONGEST_PRESIGNED):
        raise IncompleteSignatureException("X-Amz-Expires must be a number of seconds, at most a week. ")
    return _Claim(
        query["X-Amz-Algorithm"],
        query["X-Amz-Credential"],
        query["X-Amz-SignedHeaders"],
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        query.get("X-Amz-Security-Token", ""),
        int(expires or 0),
    )


def _moment(date: str) -> datetime:
    if _DATE.fullmatch(date):
        try:
            return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
    raise IncompleteSignatureException(
        f"Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _text(moment: datetime, offset: float = 0.0) -> str:
    return datetime.fromtimestamp(moment.timestamp() + offset, UTC).strftime("%Y%m%dT%H%M%SZ")


def _scope(claim: _Claim) -> tuple[str, str, str, str]:
    parts = claim.credential.rstrip("/").split("/")
    if len(parts) != 5:
        raise IncompleteSignatureException(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{claim.credential}'"
        )
    access_key, day, region, service, terminator = parts
    wrong = ""
    if service not in SERVICES:
        wrong += "Credential should be scoped to correct service: 'dynamodb'. "
    if terminator != TERMINATOR:
        wrong += f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'. "
    if day != claim.date[:8]:
        wrong += (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{day}' != '{claim.date[:8]}', from '{claim.date}'."
        )
    if wrong:
        raise InvalidSignatureException(wrong.strip())
    return access_key, day, region, service


def _canonical(request: Request, signed: list[str], claim: _Claim) -> str:
    """The canonical request, as text whose bytes beyond ASCII are kept by surrogate escapes."""
    path, _, _ = request.url.partition(b"?")
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _query(request).items()
        if name != "X-Amz-Signature"
    ]
    values: dict[str, list[str]] = {}
    for name, value in request.header_list:
        text = " ".join(value.decode("utf-8", "surrogateescape").split())
        values.setdefault(name.decode("latin-1").lower(), []).append(text)
    headers = "".join(f"{name}:{','.join(values.get(name, ['']))}\n" for name in signed)
    return "\n".join(
        (
            request.method.decode("latin-1"),
            quote(path, safe="/-_.~") or "/",  # a second time: only S3 does without
            "&".join(f"{name}={value}" for name, value in sorted(pairs)),
            headers,
            claim.signed_headers,
            sha256(request.encoded_body).hexdigest(),
        )
    )


def _query(request: Request) -> dict[str, str]:
    _, mark, text = request.url.partition(b"?")
    return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True)) if mark else {}
