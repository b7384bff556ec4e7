from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from viscodex.runner.retries import CallError, Retries, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def retries(tries=4, patience_s=100.0):
    return Retries(tries, patience_s, random.Random(0))


def test_back_off_grows_and_ends():
    waits, asked = [], retries(tries=12)
    with pytest.raises(CallError):
        for _ in range(20):
            waits.append(asked.next(CallError("server", "500")))
    assert len(waits) == 11
    assert all(0 <= wait <= min(60, 2.0**n) for n, wait in enumerate(waits))
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("fault", ["refused", "key", "quota", "filtered", "budget"])
def test_what_cannot_pass_is_not_tried_again(fault):
    with pytest.raises(CallError):
        retries().next(CallError(fault, "no"))


def test_being_told_to_wait_costs_patience_and_no_try():
    asked = retries(tries=2, patience_s=100)
    waits = [asked.next(CallError("rate", "429", retry_after=10.0)) for _ in range(7)]
    assert all(10 <= wait <= 16 for wait in waits)
    with pytest.raises(CallError):
        for _ in range(4):
            asked.next(CallError("rate", "429", retry_after=10.0))
    with pytest.raises(CallError):
        retries(patience_s=100).next(CallError("rate", "429", retry_after=3600.0))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90))}, 90),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90))}, 0),
        ({"retry-after": "Fri, 99 Jan 2026 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_as_it_is_written(headers, seconds):
    assert retry_after(headers, NOW) == seconds
