"""Those who write during the ten minutes of a long day, while three agents work off what comes."""

from __future__ import annotations

import os
import random
import threading
import time

from tests.browser.day.customers import Customer
from tests.browser.day.day import Day, until
from tests.browser.day.desk import Typist

MINUTES = float(os.environ.get("DAY_MINUTES") or 10)
CHATS = int(os.environ.get("DAY_CHATS") or 60)
OWN = 9  # what the parts of the day begin themselves
ANSWERS = ("It is a CM-410.", "I bought it in May.", "That worked, thank you.")


class Crowd:
    """Customers who come one after the other, as often as it takes for all of them to have come after the minutes."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._began = time.monotonic()
        self._customers: dict[int, Customer] = {}
        self._coming = threading.Thread(target=self._come, daemon=True)
        self._coming.start()

    def _come(self) -> None:
        for count in range(CHATS - OWN):
            time.sleep(max(0.0, self._began + count * MINUTES * 60 / (CHATS - OWN) - time.monotonic()))
            answers = random.sample(ANSWERS, random.randint(1, len(ANSWERS)))
            made = self._day.customer(f"My machine {count} is broken", f"Customer {count}", answers=answers, pause=6.0)
            self._customers[made.number] = made

    def work_for(self, seconds: float) -> None:
        """Have the agents work for some time, and on until nobody of the crowd has a ticket."""
        end = time.monotonic() + seconds
        while time.monotonic() < end or any(not self._is_over(number) for number in [*self._customers]):
            had_work = [self._work(desk) for desk in self._day.desks.values()]
            if not any(had_work):
                time.sleep(0.2)

    def work_to_the_end(self) -> None:
        """Have them work until everybody has come and has been helped."""
        while self._coming.is_alive():
            self.work_for(1.0)
        self.work_for(0.0)

    def told(self) -> str:
        """Say what there was to do."""
        day = self._day
        presses = sum(desk.presses for desk in day.windows)
        return (
            f"{len(day.customers)} chats in {(time.monotonic() - self._began) / 60:.1f} minutes:"
            f" {sum(len(customer.wrote) for customer in day.customers)} messages of customers,"
            f" {sum(map(len, day.replied.values()))} replies, {presses} keys pressed, no click"
        )

    def _is_over(self, number: int) -> bool:
        closed = self._day.rows("select 1 from tickets where number = %s and status = 'closed'", number)
        return bool(closed) and self._customers[number].is_done

    def _answered(self) -> list[Customer]:
        """Those who have said all, before the last reply: their tickets need none."""
        rows = self._day.rows("select number from tickets where status = 'open' and awaiting_since is null")
        ours = [self._customers[number] for (number,) in rows if number in self._customers]
        return [each for each in ours if each.is_done and self._day.replied[each.number]]

    def _work(self, desk: Typist) -> bool:
        """Answer what stands on top of a queue, or close what nobody owes anything. Whether there was anything."""
        customer = next((self._customers[number] for number in desk.queue if number in self._customers), None)
        customer = customer or next((each for each in self._answered() if self._day.agent_of(each) is desk), None)
        if not customer:
            return False
        if not self._day.replied[customer.number]:
            self._day.send_saved(customer, "Hello")
        elif customer.is_done:
            self._day.send_saved(customer, "Solved")
            until(lambda: customer.number not in desk.queue, f"#{customer.number} does not leave the queue")
        else:
            self._day.reply(customer, f"What I know, {customer.name}: {len(self._day.replied[customer.number])}.")
        return True
