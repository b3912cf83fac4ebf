"""Deliveries to a store in memory: without faults, through faults, and cut short."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_store import FakeClient, FaultyClient
from studies import PLACE

from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.frames import Record
from hpmagic.tracking.store import is_final, open_store


class Killed(BaseException):
    """The process dies at a request."""


def deliver(client: Any, told: list[Record], *, fresh: bool = True) -> Delivery:
    """Deliver without faults."""
    delivery = Delivery(Header.of(told[0]), open_store(client, PLACE), fresh=fresh)
    for record in told:
        delivery.accept(record)
    return delivery


def stubbornly(action: Callable[[], Any], tries: int = 400) -> Any:
    """Try until it works, as the courier does, without waiting."""
    for _ in range(tries):
        try:
            return action()
        except Exception as error:
            if is_final(error):
                raise
    raise AssertionError("it never worked")


def deliver_stubbornly(client: Any, told: list[Record]) -> None:
    """Deliver through faults."""
    store = stubbornly(lambda: open_store(client, PLACE))
    delivery = Delivery(Header.of(told[0]), store, fresh=True)
    for record in told:
        stubbornly(lambda record=record: delivery.accept(record))


def at_random(seed: int, share: float) -> Callable[[int], str]:
    """A fate for `FaultyClient`: so many requests are refused or lose their answer."""
    rng = random.Random(seed)

    def fate(_: int) -> str:
        return rng.choice(["refused", "lost"]) if rng.random() < share else "fine"

    return fate


def taken_up_after_each_kill(told: list[Record]) -> Iterator[FakeClient]:
    """Stores to which one process died delivering, at each request, and another went on."""
    counter = FaultyClient(FakeClient(), lambda _: "fine")
    deliver(counter, told)
    for last in range(counter.count):
        client = FakeClient()

        def dies(count: int, last: int = last) -> str:
            if count >= last:
                raise Killed
            return "fine"

        with pytest.raises(Killed):
            deliver(FaultyClient(client, dies), told)
        deliver(client, told, fresh=False)
        yield client
