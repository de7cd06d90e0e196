"""A run that will be killed: collects units without end, and prints how many are on the disk for certain."""

import asyncio
import sys
from pathlib import Path

from tests.journal.estate import everything, open_at, tell, told


async def main(path: Path) -> None:
    journal = await open_at(path)
    number = len(await everything(journal))
    while True:
        for _ in range(17):
            tell(journal, told(number))
            number += 1
        await journal.flush()
        print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
