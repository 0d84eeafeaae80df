"""Waiting for what an eventually consistent read will see."""

import asyncio

from cluster import wait_until

SECONDS_MAX = 20


def eventually(ask, is_so=bool):
    """Asks until the answer satisfies `is_so`, and returns it."""

    def answer():
        found = ask()
        return (found,) if is_so(found) else None

    return wait_until(answer, SECONDS_MAX, "what was written")[0]


async def eventually_async(ask, is_so=bool):
    """The same for a coroutine function."""
    async with asyncio.timeout(SECONDS_MAX):
        while not is_so(answer := await ask()):
            await asyncio.sleep(0.02)
    return answer
