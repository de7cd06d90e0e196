"""A string that can't be shown by accident."""

import hmac
from typing import NoReturn, final


@final
class Secret:
    """Holds a token, password or key. Only `reveal()` gives it out.

    It prints, formats and logs as `***`. It can't be pickled or copied into another process. It compares in
    constant time, so that timing reveals nothing.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The secret itself; call it where it goes onto the wire, and nowhere else."""
        return self.__value

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # A value that is not UTF-8 must not raise: the error would carry the value.
        mine, theirs = (s.__value.encode("utf-8", "surrogatepass") for s in (self, other))
        return hmac.compare_digest(mine, theirs)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")
