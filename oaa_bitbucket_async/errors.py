"""The ways in which a run can end badly. Each knows its exit code and what the reader should do next.

The exit codes are a contract with people's schedules; docs/monitoring.md lists them.
"""

from collections.abc import Sequence


class CollectorError(Exception):
    """A run that ended in a way we understand.

    `message` says what happened and where, `points` names several things of one kind, `advice` what to do next. None of
    them ever holds a secret.
    """

    exit_code: int = 1

    def __init__(self, message: str, advice: str = "", points: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.points = tuple(points)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.message, *self.points, self.advice)))

    @property
    def lines(self) -> list[str]:
        """The same for a person: one line, unless there are points, which have a line each."""
        if not self.points:
            return [str(self)]
        return [self.message, *(f"  {point}" for point in self.points), *([self.advice] if self.advice else [])]


class ConfigurationError(CollectorError):
    """A setting is missing, malformed, or contradicts another. Raised before the first request."""

    exit_code = 2


class WrongAddressError(ConfigurationError):
    """What answers at an address is not what belongs there, or nothing ever will: no repetition mends that.

    Unless a run has succeeded with this address before: then it is the network that changed, and `after_success` is
    the error to end with.
    """

    def __init__(self, message: str, advice: str = "", *, after_success: CollectorError | None = None) -> None:
        super().__init__(message, advice)
        self.after_success = after_success or TemporaryError(
            message,
            "A run has succeeded with this address before, so the network or the server has changed. Run again "
            f"later. If the change is permanent: {advice}",
        )


class IncompleteError(CollectorError):
    """Something could not be collected, so what was collected is not the truth and was not uploaded."""

    exit_code = 3


class RemovalError(CollectorError):
    """The upload would remove more than `--max-removed` allows, or whether it would can't be told: not made."""

    exit_code = 3


class CredentialError(CollectorError):
    """Bitbucket refused the credential, gave it too few rights to be of use, or forgot it on the way."""

    exit_code = 4


class UploadError(CollectorError):
    """Veza refused the upload or its key; a payload that was already built was kept in a file."""

    exit_code = 5


class TemporaryError(CollectorError):
    """Passing: the server is out of reach or out of order, or another run holds the lock. Try again later."""

    exit_code = 75


class InterruptedRunError(CollectorError):
    """A signal ended the run. The exit code is 128 + the signal's number: 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, signal_number: int, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.exit_code = 128 + signal_number
