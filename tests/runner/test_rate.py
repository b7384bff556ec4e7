"""Laws of the windows, in invented time; the gate, in invented time too."""

from __future__ import annotations

import asyncio

import hypothesis.strategies as st
import pytest
from hypothesis import given

from viscodex.runner.rate import Gate, Quota, WallClock, Window

GAPS = st.lists(st.tuples(st.floats(0, 30), st.floats(0.5, 60)), min_size=1, max_size=60)


@given(GAPS, st.floats(1, 100))
def test_no_window_of_a_minute_holds_more_than_the_limit(gaps, limit):
    window, now, taken = Window(limit), 0.0, []
    for gap, amount in gaps:
        now += gap
        waits = 0
        while (seconds := window.wait(now, amount)) > 0:
            early = now + seconds * 0.99 - 1e-6
            if early > now:
                assert window.wait(early, amount) > 0  # never longer than needed
            now += seconds + 1e-9
            waits += 1
            assert waits < 100
        window.take(now, amount)
        taken.append((now, amount))
    for start, first in taken:
        inside = [amount for at, amount in taken if start <= at < start + 60]
        assert sum(inside) <= max(limit, first) + 1e-6


def test_an_amount_is_corrected_when_it_is_known():
    window = Window(100)
    taken = window.take(0.0, 90)
    assert window.wait(1.0, 20) == pytest.approx(59)
    taken.amount = 10
    assert window.wait(1.0, 20) == 0


class Invented:
    """Time that passes only when everybody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


def began(quota, calls, clock=None, pause=None):
    """When calls begin that ask at once."""
    clock = clock or Invented()
    times = []

    async def call(gate, number):
        async with gate.place(100):
            times.append((number, clock.now()))
            if pause and number == 0:
                gate.pause(pause)
            await asyncio.sleep(0)

    async def all_of_them():
        gate = Gate(quota, clock)
        await asyncio.gather(*(call(gate, number) for number in range(calls)))

    asyncio.run(all_of_them())
    return times


def test_requests_a_minute_and_in_order():
    times = began(Quota(requests_per_minute=10, in_flight=100), 25)
    assert [number for number, _ in times] == list(range(25))
    assert [at for _, at in times] == pytest.approx([0.0] * 10 + [60.0] * 10 + [120.0] * 5)


def test_tokens_a_minute():
    times = began(Quota(tokens_per_minute=250, in_flight=100), 6)
    assert [at for _, at in times] == pytest.approx([0, 0, 60, 60, 120, 120])


def test_a_pause_holds_for_all():
    times = began(Quota(in_flight=1), 3, pause=7.5)
    assert [at for _, at in times] == pytest.approx([0, 7.5, 7.5])


def test_calls_in_flight():
    in_flight, most = 0, 0

    async def call(gate):
        nonlocal in_flight, most
        async with gate.place(1):
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0.001)
            in_flight -= 1

    async def all_of_them():
        gate = Gate(Quota(in_flight=3), WallClock())
        await asyncio.gather(*(call(gate) for _ in range(20)))

    asyncio.run(all_of_them())
    assert most == 3


def test_a_cancelled_call_leaves_its_place():
    async def main():
        gate = Gate(Quota(in_flight=1, requests_per_minute=1), WallClock())
        async with gate.place(1):
            pass
        waiting = asyncio.create_task(_enter(gate))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        gate._requests.limit = 10
        await asyncio.wait_for(_enter(gate), 1)

    asyncio.run(main())


async def _enter(gate):
    async with gate.place(1):
        return
