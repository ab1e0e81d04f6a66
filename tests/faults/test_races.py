"""Two who act at the same moment: one wins, the other is told, and the history names one of them."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from socket import SHUT_RDWR
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from .desk import Desk, wait_for
from .people import Agent, Customer
from .run import IS_FULL, MESSAGES, under_load

ROUNDS = 25 if IS_FULL else 3
Contract = Callable[..., None]


@pytest.fixture
def agents(desk: Desk) -> Iterator[tuple[Agent, Agent]]:
    """Two agents who are logged in; no desk is open, so nothing is assigned by itself."""
    one, other = desk.new_agents(2)
    with Agent(desk.url, one) as first, Agent(desk.url, other) as second:
        yield first, second


@pytest.fixture
def customer(desk: Desk, agents: tuple[Agent, Agent]) -> Iterator[Customer]:
    """A customer who waits: the agents are here, and take nothing by themselves."""
    desk.run("update agents set availability = 'away', lease_expires_at = now() + interval '10 minutes'")
    with Customer(desk.url) as customer:
        yield customer


def at_once(*acts: Callable[[], httpx.Response]) -> list[int]:
    """Do several things at the same moment, and give the status of each."""
    barrier = threading.Barrier(len(acts))

    def act(number: int) -> int:
        barrier.wait()
        return acts[number]().status_code

    with concurrent.futures.ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, range(len(acts))))


def history(desk: Desk, number: int, event: str) -> list[tuple[Any, ...]]:
    """Who did something to a ticket."""
    return desk.run(
        "select agent_id from events e join tickets t on t.id = e.ticket_id where number = %s and kind = %s",
        number,
        f"ticket.{event}",
    )


def id_of(desk: Desk, number: int) -> str:
    """The agent who has a ticket; '' for nobody."""
    ((agent_id,),) = desk.run("select coalesce(assigned_agent_id::text, '') from tickets where number = %s", number)
    return str(agent_id)


def test_of_two_claims_one_wins(desk: Desk, agents: tuple[Agent, Agent], customer: Customer) -> None:
    first, second = agents
    for done in range(1, ROUNDS + 1):
        statuses = at_once(lambda: first.assign(customer.number), lambda: second.assign(customer.number))
        assert sorted(statuses) == [200, 409]
        winner = agents[statuses.index(200)]
        assert len(history(desk, customer.number, "assigned")) == done
        assert winner.ask("DELETE", f"/tickets/{customer.number}/assignment").status_code == 200


def test_a_reply_and_a_close_leave_a_history_that_fits(
    desk: Desk, agents: tuple[Agent, Agent], customer: Customer
) -> None:
    agent = agents[0]
    agent.assign(customer.number)
    for number in range(ROUNDS):
        replied, closed = at_once(
            lambda text=f"Reply {number}": agent.reply(customer.number, text),  # type: ignore[misc]
            lambda: agent.ask("POST", f"/tickets/{customer.number}/closure"),
        )
        assert closed == 200
        assert replied in (200, 409)
        (last,) = desk.run(
            "select array_agg(coalesce(event, sender) order by seq desc) from chat_messages where session_id = %s",
            customer.session,
        )[0]
        # A reply that was taken stands before the end of the chat, never after it.
        assert last[0] == "closed"
        assert (last[1] == "agent") == (replied == 200)
        assert agent.ask("DELETE", f"/tickets/{customer.number}/closure").status_code == 200


def test_of_a_hand_over_and_a_claim_one_wins(desk: Desk, agents: tuple[Agent, Agent], customer: Customer) -> None:
    first, second = agents
    ids = {}
    for agent in agents:
        before = id_of(desk, customer.number)
        assert agent.assign(customer.number, expected=before).status_code == 200
        ids[agent] = id_of(desk, customer.number)
    third = desk.run("select id::text from agents where id::text <> all(%s) limit 1", list(ids.values()))[0][0]
    for _ in range(ROUNDS):
        has = id_of(desk, customer.number)
        assert first.assign(customer.number, expected=has).status_code == 200
        statuses = at_once(
            lambda: first.assign(customer.number, third, expected=ids[first]),
            lambda: second.assign(customer.number, expected=ids[first]),
        )
        assert sorted(statuses) == [200, 409]
        assert id_of(desk, customer.number) == (third if statuses[0] == 200 else ids[second])


def test_the_same_message_from_sixteen_sides_is_one(desk: Desk, customer: Customer) -> None:
    for number in range(ROUNDS):
        cid = str(uuid.uuid4())
        send = [lambda text=f"Once {number}", cid=cid: customer.send(text, cid)] * 16
        assert set(at_once(*send)) <= {200, 503}
        assert customer.send(f"Once {number}", cid).status_code == 200
        assert desk.run("select count(*) from chat_messages where client_message_id = %s", cid) == [(1,)]
        assert customer.send("Another text", cid).status_code == 422


@pytest.mark.long
def test_every_message_is_posted_sixteen_times(desk: Desk, contract: Contract) -> None:
    with under_load(desk, messages=max(MESSAGES // 16, 20), rate=4, copies=16) as run:
        pass
    contract("every message posted 16 times at once", run, silence=5)


@pytest.mark.long
def test_what_was_given_to_an_agent_who_goes_returns_to_the_queue(desk: Desk, agents: tuple[Agent, Agent]) -> None:
    gone = agents[0]
    socket = opened(gone)
    with Customer(desk.url) as customer:
        wait_for(lambda: id_of(desk, customer.number), 10, "nobody gets the ticket")
        cut(socket)  # between the choice and the first word
        took = wait_for(lambda: not id_of(desk, customer.number), 60, "the ticket stays with somebody who is gone")
        assert took < 55
        assert "is away right now" in customer.shown()


@pytest.mark.long
def test_an_agent_who_goes_while_tickets_come_keeps_none(desk: Desk, agents: tuple[Agent, Agent]) -> None:
    """Whoever is gone when the next customer comes gets nothing more once the lease has ended."""
    socket = opened(agents[0])
    made = []
    for _ in range(5):
        made.append(Customer(desk.url))
    cut(socket)
    for _ in range(5):
        made.append(Customer(desk.url))
    numbers = [customer.number for customer in made]
    for customer in made:
        customer.client.close()
    wait_for(lambda: not any(id_of(desk, number) for number in numbers), 60, "tickets stay with somebody who is gone")
    with opened(agents[1]):
        wait_for(lambda: all(id_of(desk, number) for number in numbers), 10, "the queue does not drain")


def cut(websocket: ClientConnection) -> None:
    """End the connection at once, without a close frame."""
    # A close alone says nothing to the desk until the thread that still reads has been woken by a frame.
    websocket.socket.shutdown(SHUT_RDWR)


def opened(agent: Agent) -> ClientConnection:
    """Open the socket of a desk, and wait until its agent is here."""
    websocket = connect(
        agent.url.replace("http", "ws", 1) + "/agent/ws",
        origin=agent.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": agent.cookies},
        compression=None,
    )
    websocket.send(json.dumps({"hello": True, "ticket": 0}))
    while json.loads(websocket.recv(timeout=5)).get("event") != "caught_up":
        time.sleep(0)
    return websocket
