"""The words of the DynamoDB door: AWS' exceptions with their status, `__type` and message, and what each of our
faults is called there.

SDKs look at the part of `__type` behind the `#`. AWS is not of one mind about the name of the message's field: the
coral framework's own serialization errors and cancelled transactions say `Message`, all others `message`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from elastickv.errors import Fault, KvError

_SERVICE: Final = "com.amazonaws.dynamodb.v20120810#"
_CORAL: Final = "com.amazon.coral.service#"
_VALIDATE: Final = "com.amazon.coral.validate#"


class ApiError(Exception):
    """An answer that is an error. Subclasses are AWS' exceptions; `details` are fields beside type and message."""

    status: ClassVar[int] = 400
    prefix: ClassVar[str] = _SERVICE
    message_field: ClassVar[str] = "message"
    default_message: ClassVar[str] = ""
    type_name: ClassVar[str] = ""
    """The exception's name where it is not the class's."""

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or self.default_message)
        self.details = details

    @property
    def message(self) -> str:
        return str(self.args[0])

    @property
    def code(self) -> str:
        """The exception's name, as SDKs show it."""
        return self.type_name or type(self).__name__

    def body(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"__type": self.prefix + self.code}
        if self.message:
            answer[self.message_field] = self.message
        answer.update(self.details)
        return answer


class ValidationException(ApiError):
    prefix = _VALIDATE


class ValueFault(ValidationException):
    """A value that is none, in the words of the older layer (`message`) and of the newer one (`current`); see
    `layers`."""

    type_name = "ValidationException"

    def __init__(self, message: str, current: str) -> None:
        super().__init__(message)
        self.current = current


class NoValue(ValidationException):
    """A value that has no type, or several: told as it is, without envelope."""

    type_name = "ValidationException"


class SerializationException(ApiError):
    prefix = _CORAL
    message_field = "Message"


class UnknownOperationException(ApiError):
    prefix = _CORAL


class MissingAuthenticationTokenException(ApiError):
    prefix = _CORAL
    default_message = "Request is missing Authentication Token"


class IncompleteSignatureException(ApiError):
    prefix = _CORAL


class InvalidSignatureException(ApiError):
    prefix = _CORAL


class UnrecognizedClientException(ApiError):
    prefix = _CORAL
    default_message = "The security token included in the request is invalid."


class AccessDeniedException(ApiError):
    prefix = _CORAL
    message_field = "Message"


class ResourceNotFoundException(ApiError):
    default_message = "Requested resource not found"


class TableNotFoundException(ApiError):
    default_message = "Table not found"


class ContinuousBackupsUnavailableException(ApiError):
    pass


class PolicyNotFoundException(ApiError):
    pass


class ResourceInUseException(ApiError):
    pass


class LimitExceededException(ApiError):
    pass


class ConditionalCheckFailedException(ApiError):
    """`Item=` carries the item where ReturnValuesOnConditionCheckFailure asked for it."""

    default_message = "The conditional request failed"


class TransactionCanceledException(ApiError):
    """`CancellationReasons=` is a list of {"Code", "Message"?, "Item"?}, one for each action."""

    message_field = "Message"

    def __init__(self, reasons: list[dict[str, Any]]) -> None:
        codes = ", ".join(reason["Code"] for reason in reasons)
        super().__init__(
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
            CancellationReasons=reasons,
        )


class TransactionConflictException(ApiError):
    default_message = "Transaction is ongoing for the item"


class IdempotentParameterMismatchException(ApiError):
    message_field = "Message"
    default_message = (
        "A request with the same client request token was already processed with different request parameters."
    )


class DuplicateItemException(ApiError):
    default_message = "Duplicate primary key exists in table"


class ProvisionedThroughputExceededException(ApiError):
    default_message = (
        "The level of configured provisioned throughput for the table was exceeded. "
        "Consider increasing your provisioning level with the UpdateTable API."
    )


class TrimmedDataAccessException(ApiError):
    pass


class ExpiredIteratorException(ApiError):
    pass


class InternalServerError(ApiError):
    status = 500
    default_message = "The request processing has failed because of an unknown error, exception or failure."


class ServiceUnavailable(ApiError):
    status = 503
    prefix = _CORAL
    default_message = "Service is unavailable."


FAULTS: Final[dict[Fault, type[ApiError]]] = {
    # A follower forwards; this is heard only when two nodes disagree about who leads until the deadline.
    Fault.NOT_LEADER: ServiceUnavailable,
    Fault.NO_QUORUM: InternalServerError,
    # SDKs repeat a 500: a token or a condition keeps that from acting twice.
    Fault.OUTCOME_UNKNOWN: InternalServerError,
    Fault.OVERLOAD: ProvisionedThroughputExceededException,
    Fault.DISK_FULL: InternalServerError,
    Fault.TOO_LARGE: ValidationException,
    Fault.BAD_REQUEST: ValidationException,
    # Not reachable: no request of this door looks at keys of another. The table says so and stays total.
    Fault.WRONG_TYPE: InternalServerError,
    Fault.CONFLICT: TransactionConflictException,
    Fault.NOT_FOUND: ResourceNotFoundException,
    # Streams: the records were trimmed.
    Fault.COMPACTED: TrimmedDataAccessException,
    Fault.PERMISSION_DENIED: AccessDeniedException,
    Fault.SHUTTING_DOWN: ServiceUnavailable,
    Fault.INTERNAL: InternalServerError,
}

_SAY_WHY: Final = frozenset(FAULTS) - {Fault.INTERNAL, Fault.WRONG_TYPE, Fault.OVERLOAD}
"""Faults whose own sentence tells a client more than AWS' default text does."""


def from_fault(error: KvError) -> ApiError:
    """The answer for a failure inside the server."""
    kind = FAULTS[error.fault]
    if error.fault not in _SAY_WHY:
        return kind()
    sentence = error.message
    if error.fault is Fault.OUTCOME_UNKNOWN and "outcome unknown" not in sentence:
        sentence = f"outcome unknown: {sentence}"
    elif error.fault is Fault.DISK_FULL and "disk full" not in sentence:
        sentence = f"disk full: {sentence}"
    return kind(sentence)
