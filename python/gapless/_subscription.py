"""Following a table from an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

# Seconds that a thread waits: what is left of it when the task that waits is cancelled.
_WAIT = 0.25


async def following(subscription: Any) -> Any:
    """The next batch. A task that is cancelled while it waits loses none: what came stays for the next one."""
    loop = asyncio.get_running_loop()
    while not await loop.run_in_executor(None, subscription._arrives, _WAIT):
        pass
    batch = subscription._take()
    if batch is None:
        raise StopAsyncIteration
    return batch
