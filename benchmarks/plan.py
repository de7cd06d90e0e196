"""How much is measured: a quick look, or all of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How large and how often.

    `quick` is for a look of less than a minute; else it is the sizes of the table of goals. `runs` repeats what is
    noisy.
    """

    quick: bool = True
    runs: int = 3
    seed: int = 1

    def size(self, quick: int, full: int) -> int:
        """The one or the other."""
        return quick if self.quick else full
