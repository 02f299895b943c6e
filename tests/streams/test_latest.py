"""The slot: newest wins, nothing waits, the end is said."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.streams import Closed, Latest


def test_the_newest_wins_and_the_rest_are_counted() -> None:
    async def story() -> None:
        slot: Latest[int] = Latest()
        for i in range(5):
            slot.put(i)
        assert await slot.get() == 4
        assert slot.dropped == 4
        assert slot.take() is None

    asyncio.run(story())


def test_get_waits_for_a_put() -> None:
    async def story() -> None:
        slot: Latest[str] = Latest()
        waiting = asyncio.create_task(slot.get())
        await asyncio.sleep(0)
        assert not waiting.done()
        slot.put("frame")
        assert await waiting == "frame"

    asyncio.run(story())


def test_what_comes_between_ready_and_take_replaces_the_older() -> None:
    async def story() -> None:
        slot: Latest[str] = Latest()
        slot.put("old")
        await slot.ready()
        slot.put("new")
        assert slot.take() == "new"
        assert slot.dropped == 1

    asyncio.run(story())


def test_closing_wakes_the_consumer_and_ends_the_stream() -> None:
    async def story() -> None:
        slot: Latest[str] = Latest()
        waiting = asyncio.create_task(slot.get())
        await asyncio.sleep(0)
        slot.close()
        slot.close()
        with pytest.raises(Closed):
            await waiting
        with pytest.raises(Closed):
            slot.put("late")

    asyncio.run(story())


def test_the_last_item_survives_closing() -> None:
    async def story() -> None:
        slot: Latest[str] = Latest()
        slot.put("last")
        slot.close()
        assert await slot.get() == "last"
        with pytest.raises(Closed):
            await slot.get()

    asyncio.run(story())


@given(st.lists(st.sampled_from(["put", "take"]), max_size=60))
def test_every_item_is_taken_dropped_or_still_there(actions: list[str]) -> None:
    async def story() -> None:
        slot: Latest[int] = Latest()
        put = taken = 0
        last = -1
        for action in actions:
            if action == "put":
                slot.put(put)
                put += 1
            else:
                item = slot.take()
                if item is not None:
                    assert item == put - 1
                    assert item > last
                    last = item
                    taken += 1
        left = slot.take() is not None
        assert put == taken + slot.dropped + left

    asyncio.run(story())
