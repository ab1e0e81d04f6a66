"""Pictures: the store missing or full, the server killed or the upload cut at each stage."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import psycopg
import pytest

from supportchat.database.postgres import PostgresDatabase
from supportchat.images.orphans import ORPHAN_SECONDS, sweep_orphans
from supportchat.images.stores import FileStore

from .desk import Desk, wait_for
from .people import Customer
from .picture import noise
from .run import under_load

Contract = Callable[..., None]
PICTURE = noise()


def files() -> dict[str, tuple[str, bytes, str]]:
    """The picture as a form carries it."""
    return {"image": ("noise.png", PICTURE, "image/png")}


@pytest.fixture
def customer(desk: Desk) -> Iterator[Customer]:
    """A customer whose chat has begun."""
    with Customer(desk.url) as customer:
        yield customer


def objects(desk: Desk) -> set[str]:
    """What lies in the store, half-written files among it."""
    return {path.name for path in (desk.data_dir / "images").glob("??/*")}


def stored(desk: Desk, cid: str) -> int:
    """How many messages have this id."""
    ((count,),) = desk.run("select count(*) from chat_messages where client_message_id = %s", cid)
    return int(count)


@contextlib.contextmanager
def missing_store(desk: Desk) -> Iterator[None]:
    """Put a file where the folder of the pictures was."""
    store, aside = desk.data_dir / "images", desk.data_dir / "images.aside"
    if store.exists():
        store.rename(aside)
    store.write_text("in the way")
    try:
        yield
    finally:
        store.unlink()
        if aside.exists():
            aside.rename(store)


@contextlib.contextmanager
def full_store(desk: Desk) -> Iterator[None]:
    """Mount a disk without room over the folder of the pictures."""
    if os.geteuid() != 0:
        pytest.skip("a full store needs a file system of its own: run as root")
    store = desk.data_dir / "images"
    store.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", store], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", store], check=True)


@pytest.mark.parametrize("broken", [missing_store, full_store])
def test_a_store_that_takes_nothing_stops_pictures_and_no_text(
    desk: Desk, customer: Customer, broken: Callable[[Desk], contextlib.AbstractContextManager[None]]
) -> None:
    cid = str(uuid.uuid4())
    with broken(desk):
        start = time.monotonic()
        answer = customer.send("Look", cid, files=files())
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert time.monotonic() - start < 10
        assert stored(desk, cid) == 0
        assert customer.send("Only text").status_code == 200
    assert customer.send("Look", cid, files=files()).status_code == 200
    assert stored(desk, cid) == 1


@pytest.mark.long
def test_a_store_that_takes_nothing_holds_no_text_up(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run, missing_store(desk), Customer(desk.url) as customer:
        for _ in range(20):
            answer = customer.send("Look", files=files())
            assert answer.status_code == 503, answer.text
    contract("the store of pictures is gone", run, silence=2.5)


def half_a_post(customer: Customer, cid: str, share: float) -> socket.socket:
    """Send the head of a post with a picture, and a share of its body."""
    request = customer.client.build_request(
        "POST",
        "/chat/messages",
        data={"message": "Look", "client_message_id": cid, "session": customer.session},
        files=files(),
        headers={"Origin": customer.url, "HX-Request": "true"},
    )
    body = request.read()
    head = f"POST /chat/messages HTTP/1.1\r\nCookie: {customer.cookies}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items() if name != "cookie")
    made = socket.create_connection(("127.0.0.1", httpx.URL(customer.url).port or 80))
    made.sendall(head.encode() + b"\r\n" + body[: int(len(body) * share)])
    return made


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_an_upload_that_is_cut_leaves_nothing(desk: Desk, customer: Customer, share: float) -> None:
    before, cid = objects(desk), str(uuid.uuid4())
    half_a_post(customer, cid, share).close()
    assert customer.send("Text goes on").status_code == 200
    assert stored(desk, cid) == 0
    assert objects(desk) == before
    assert customer.send("Look", cid, files=files()).status_code == 200
    assert stored(desk, cid) == 1


def test_an_answer_that_nobody_hears_is_given_again(desk: Desk, customer: Customer) -> None:
    before, cid = objects(desk), str(uuid.uuid4())
    half_a_post(customer, cid, 1.0).close()
    wait_for(lambda: stored(desk, cid), 10, "the message does not arrive")
    assert customer.send("Look", cid, files=files()).status_code == 200
    assert stored(desk, cid) == 1
    assert len(objects(desk) - before) == 1


@pytest.mark.long
def test_a_server_that_dies_before_the_picture_is_stored_leaves_nothing(desk: Desk, customer: Customer) -> None:
    before, cid = objects(desk), str(uuid.uuid4())
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(try_to_send, customer, cid)
        wait_for(lambda: redrawing(desk), 10, "nobody draws the picture anew")
        for worker in redrawing(desk):
            worker.kill()
        sending.result()
    assert stored(desk, cid) == 0
    assert objects(desk) == before
    retry(desk, customer, cid)


@pytest.mark.long
def test_a_server_that_dies_before_the_message_is_stored_leaves_an_orphan_that_is_swept(
    desk: Desk, customer: Customer
) -> None:
    before, cid = objects(desk), str(uuid.uuid4())
    with ThreadPoolExecutor(1) as pool, psycopg.connect(desk.conninfo) as connection:
        connection.execute("lock table chat_messages in access exclusive mode")
        sending = pool.submit(try_to_send, customer, cid)
        wait_for(lambda: {n for n in objects(desk) - before if "." not in n}, 10, "the picture is not stored")
        for worker in desk.workers:
            worker.kill()
        # Postgres would not notice that nobody waits any more, and store the message once the lock is gone.
        desk.run("select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'")
        sending.result()
    assert stored(desk, cid) == 0
    retry(desk, customer, cid)
    (kept,) = desk.run(
        "select storage_key from chat_images i join chat_messages m on m.image_id = i.id where client_message_id = %s",
        cid,
    )[0]
    orphans = objects(desk) - before - {kept}
    assert len(orphans) == 1
    images = desk.data_dir / "images"
    for path in images.glob("??/*"):
        os.utime(path, (0, time.time() - ORPHAN_SECONDS - 60))
    door = PostgresDatabase(desk.conninfo, size=1)
    try:
        sweep_orphans(FileStore(images), door)
    finally:
        door.close()
    assert objects(desk) == before | {kept}


def try_to_send(customer: Customer, cid: str) -> None:
    """Send the picture to a server that may die."""
    with contextlib.suppress(httpx.TransportError):
        customer.send("Look", cid, files=files())


def redrawing(desk: Desk) -> list[psutil.Process]:
    """The workers that have a picture drawn anew just now."""
    found = []
    for worker in desk.workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            # One that waits for a picture has three files open.
            if any("redraw" in child.cmdline() and child.num_fds() > 4 for child in worker.children()):
                found.append(worker)
    return found


def retry(desk: Desk, customer: Customer, cid: str) -> None:
    """Send the picture again, as the page does, and find it stored once."""

    def is_sent() -> bool:
        try:
            return customer.send("Look", cid, files=files()).status_code == 200
        except httpx.TransportError:
            return False

    wait_for(is_sent, 20, "the picture cannot be sent again")
    assert stored(desk, cid) == 1
