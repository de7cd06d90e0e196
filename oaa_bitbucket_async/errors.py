"""The errors that can end a run. Each has its exit code and says what to do next.

The exit codes are a contract with people's schedules; docs/monitoring.md lists them.
"""

from collections.abc import Sequence


class CollectorError(Exception):
    """An error that we understand.

    `message` says what happened and where, `points` lists several things of one kind, and `advice` says what to do
    next. None of them contains a secret.
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
        """The text for a person: one line, or one more line for each point."""
        if not self.points:
            return [str(self)]
        return [self.message, *(f"  {point}" for point in self.points), *([self.advice] if self.advice else [])]


class ConfigurationError(CollectorError):
    """A setting is missing, malformed, or contradicts another. Raised before the first request."""

    exit_code = 2


class WrongAddressError(ConfigurationError):
    """The address is wrong: something else answers there, or nothing ever will. Trying again does not help.

    If a run has succeeded with this address before, the network has changed, and `after_success` is the error to end
    with.
    """

    def __init__(self, message: str, advice: str = "", *, after_success: CollectorError | None = None) -> None:
        super().__init__(message, advice)
        self.after_success = after_success or TemporaryError(
            message,
            "A run has succeeded with this address before, so the network or the server has changed. Run again "
            f"later. If the change is permanent: {advice}",
        )


class IncompleteError(CollectorError):
    """Something could not be collected, so nothing was uploaded."""

    exit_code = 3


class RemovalError(CollectorError):
    """The upload would remove more than `--max-removed` allows, or the number is unknown. Nothing was uploaded."""

    exit_code = 3


class CredentialError(CollectorError):
    """Bitbucket refused the credential, at the start or during the run, or it has too few rights."""

    exit_code = 4


class UploadError(CollectorError):
    """Veza refused the upload or its key; a payload that was already built was kept in a file."""

    exit_code = 5


class TemporaryError(CollectorError):
    """A problem that can pass: the server can't be reached, or another run holds the lock. Try again later."""

    exit_code = 75


class InterruptedRunError(CollectorError):
    """A signal ended the run. The exit code is 128 + the signal's number: 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, signal_number: int, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.exit_code = 128 + signal_number
