"""The program with all its work in one thread: `python onethread.py run …`.

strace counts the calls of each thread apart; in one thread, the n-th call is the n-th of the program.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from wanbatch.cli.door import main


async def here(function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
    """Do at once what another thread would have done."""
    return function(*args, **named)


if __name__ == "__main__":
    asyncio.to_thread = here
    main()
