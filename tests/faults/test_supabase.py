"""A desk on a Supabase project whose services fail, one after the other or all of them, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from supportchat.config import ROOT
from supportchat.database.migrations import migrate
from supportchat.supabase.images import BUCKET
from tests.postgres import running_postgres, superuser_of
from tests.supabase.project import SupabaseProject
from tests.supabase.server import SupabaseServer

from .desk import Desk, running, wait_for
from .people import Customer
from .run import IS_FULL, RATE, under_load
from .test_pictures import files
from .test_processes import times

Contract = Callable[..., None]
# The stand-in works for the desk as well, in this process.
HALF = RATE / 2
FAULT_SECONDS = 10.0 if IS_FULL else 3.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """A project with the schema, served."""
    with running_postgres() as postgres:
        made = SupabaseProject(superuser_of(postgres), "faults").create()
        migrate(made.conninfo)
        server = SupabaseServer(made, tmp_path_factory.mktemp("storage"))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def shared_supabase_desk(project: SupabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk on the project, with two workers."""
    desk = Desk(
        tmp_path_factory.mktemp("desk"),
        conninfo=project.project.conninfo,
        SUPABASE_URL=project.url,
        SUPABASE_SECRET_KEY=project.secret_key,
    )
    with running(desk):
        yield desk


@pytest.fixture
def desk(shared_supabase_desk: Desk) -> Desk:
    """The desk, which runs."""
    assert shared_supabase_desk.is_ready(), "the fault before this one has left the desk behind broken"
    return shared_supabase_desk


@pytest.mark.long
def test_nothing_fails(desk: Desk, contract: Contract) -> None:
    with under_load(desk, rate=HALF) as run:
        pass  # it goes on until it has its messages
    contract("Supabase: nothing", run, silence=4)


def test_realtime_goes_deaf(desk: Desk, project: SupabaseServer, contract: Contract) -> None:
    with under_load(desk, rate=HALF) as run:
        for _ in times(5, 1):
            project.realtime.go_deaf()
            time.sleep(FAULT_SECONDS)
    contract("Supabase: Realtime deaf, 5 times", run, silence=5)


@pytest.mark.long
@pytest.mark.parametrize("fault", ["reset_sockets", "freeze_sockets", "close_channels", "expire_tokens"])
def test_realtime_loses_every_connection(desk: Desk, project: SupabaseServer, contract: Contract, fault: str) -> None:
    with under_load(desk, rate=HALF) as run:
        for _ in times(5, 1):
            getattr(project.realtime, fault)()
            time.sleep(5)
    contract(f"Supabase: Realtime's {fault.replace('_', ' ')}, 5 times", run, silence=5)


@pytest.mark.long
def test_realtime_is_away(desk: Desk, project: SupabaseServer, contract: Contract) -> None:
    with under_load(desk, rate=HALF) as run:
        for _ in times(3, 1):
            project.realtime.refuse_sockets()
            project.realtime.close_sockets(1012)
            time.sleep(2 * FAULT_SECONDS)
            project.realtime.heal()
            time.sleep(5)
    contract("Supabase: Realtime away for 20 s, 3 times", run, silence=5)


def test_answers_of_the_database_get_lost(desk: Desk, project: SupabaseServer, contract: Contract) -> None:
    """The worst of them: the transaction commits, and nobody hears of it."""
    with under_load(desk, rate=HALF) as run:
        for _ in times(20, 2):
            for function in ("post_message", "post_reply", "add_note", "record_receipt"):
                project.rest.cut_after(only=function, times=10)
            time.sleep(2)
        project.rest.heal()
    contract("Supabase: answers cut off after the commit", run, silence=15)


@pytest.mark.long
@pytest.mark.parametrize("fault", ["answer_with_page", "hang", "cut_before"])
def test_the_database_does_not_answer(desk: Desk, project: SupabaseServer, contract: Contract, fault: str) -> None:
    with under_load(desk, rate=HALF) as run:
        for _ in times(3, 1):
            getattr(project.rest, fault)()
            time.sleep(FAULT_SECONDS)
            project.rest.heal()
            wait_for(desk.is_ready, 15, "the desk does not recover")
            time.sleep(5)
    contract(f"Supabase: PostgREST {WORDS[fault]} for 10 s, 3 times", run, silence=25, answer=8)


WORDS = {
    "answer_with_page": "answers 502",
    "hang": "takes requests and is silent",
    "cut_before": "resets every connection",
}


@pytest.mark.long
def test_the_whole_project_is_away(desk: Desk, project: SupabaseServer, contract: Contract) -> None:
    with under_load(desk, rate=HALF) as run:
        for _ in times(3, 1):
            project.refuse_connections()
            time.sleep(FAULT_SECONDS)
            project.accept_connections()
            wait_for(desk.is_ready, 15, "the desk does not recover")
            time.sleep(5)
    contract("Supabase: the project away for 10 s, 3 times", run, silence=25)


@pytest.mark.parametrize(
    "fault", ["hang", pytest.param("fail", marks=pytest.mark.long), pytest.param("lose_bucket", marks=pytest.mark.long)]
)
def test_a_storage_that_fails_holds_no_text_up(
    desk: Desk, project: SupabaseServer, contract: Contract, fault: str
) -> None:
    with under_load(desk, rate=HALF) as run, Customer(desk.url) as customer:
        getattr(project.storage, fault)(**({"bucket": BUCKET} if fault == "lose_bucket" else {}))
        for _ in times(5, 1):
            start = time.monotonic()
            answer = customer.send("Look", files=files())
            assert answer.status_code == 503, answer.text
            assert time.monotonic() - start < 10
        project.storage.heal()
        project.project.run((ROOT / "sql" / "supabase_schema.sql").read_text())  # which makes the bucket
        assert customer.send("Look", files=files()).status_code == 200
    contract(f"Supabase: storage {STORAGE_WORDS[fault]}", run, silence=5)


STORAGE_WORDS = {"hang": "hanging", "fail": "answering 500", "lose_bucket": "without its bucket"}
