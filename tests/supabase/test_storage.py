"""Storage's answers, as measured on storage-api 1.11.2, through the official client and a raw one."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from storage3.exceptions import StorageApiError
from supabase import Client

from .conftest import Connect
from .server import SupabaseServer

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 1000
LIMIT = 100_000
IMAGE: Any = {"content-type": "image/png"}


@pytest.fixture
def bucket(client: Client) -> Any:
    """A private bucket for pictures of 100 KB at most, and the client's way to it."""
    options: Any = {"public": False, "file_size_limit": LIMIT, "allowed_mime_types": ["image/png", "image/webp"]}
    client.storage.create_bucket("pictures", options=options)
    return client.storage.from_("pictures")


@pytest.fixture
def raw(supabase: SupabaseServer, bucket: Any) -> Iterator[httpx.Client]:
    """A client that sends what it is told, with the secret key."""
    key = supabase.secret_key
    headers = {"Authorization": f"Bearer {key}", "apikey": key}
    with httpx.Client(base_url=f"{supabase.url}/storage/v1", headers=headers, timeout=5) as http:
        yield http


def refusal(act: Any) -> tuple[str, str]:
    """Return the status and the error of what the client raises."""
    with pytest.raises(StorageApiError) as caught:
        act()
    return str(caught.value.status), caught.value.code


# Buckets


def test_a_bucket_is_made_once(client: Client, raw: httpx.Client) -> None:
    answer = raw.post("/bucket", json={"id": "pictures", "name": "pictures"})
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "409",
        "error": "Duplicate",
        "message": "The resource already exists",
        "code": "BucketAlreadyExists",
    }
    assert raw.post("/bucket", json={"id": "other", "name": "other"}).json() == {"name": "other"}


def test_a_bucket_says_its_limits(client: Client, bucket: Any) -> None:
    found = client.storage.get_bucket("pictures")
    assert (found.public, found.file_size_limit, found.allowed_mime_types) == (
        False,
        LIMIT,
        ["image/png", "image/webp"],
    )
    assert [entry.id for entry in client.storage.list_buckets()] == ["pictures"]


def test_a_bucket_made_by_sql_is_a_bucket(client: Client, supabase: SupabaseServer) -> None:
    supabase.project.run("insert into storage.buckets (id, name) values ('by_sql', 'by_sql')")
    assert client.storage.get_bucket("by_sql").owner == ""


def test_a_bucket_can_be_changed(client: Client, bucket: Any) -> None:
    client.storage.update_bucket("pictures", {"public": True, "file_size_limit": 5})
    found = client.storage.get_bucket("pictures")
    assert (found.public, found.file_size_limit) == (True, 5)


def test_a_bucket_is_deleted_when_it_is_empty(client: Client, bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    assert refusal(lambda: client.storage.delete_bucket("pictures")) == ("409", "ResourceNotEmpty")
    client.storage.empty_bucket("pictures")
    client.storage.delete_bucket("pictures")
    assert refusal(lambda: client.storage.get_bucket("pictures")) == ("404", "Bucket not found")


def test_a_missing_bucket(client: Client, raw: httpx.Client) -> None:
    answer = raw.get("/bucket/none")
    assert (answer.status_code, answer.json()["code"]) == (400, "NoSuchBucket")
    none = client.storage.from_("none")
    assert refusal(lambda: none.upload("a.png", PNG, IMAGE)) == ("404", "Bucket not found")
    assert refusal(lambda: none.download("a.png")) == ("404", "Bucket not found")
    assert none.list() == []


def test_a_limit_over_the_global_one_is_refused(client: Client) -> None:
    def make() -> Any:
        return client.storage.create_bucket("big", options={"file_size_limit": 10**12})

    assert refusal(make) == ("413", "Payload too large")


# Uploads


def test_an_upload_can_be_downloaded(bucket: Any, raw: httpx.Client) -> None:
    assert bucket.upload("c/1/a.png", PNG, {**IMAGE, "cache-control": "60"}).full_path == "pictures/c/1/a.png"
    assert bucket.download("c/1/a.png") == PNG
    answer = raw.get("/object/pictures/c/1/a.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers["content-length"] == str(len(PNG))


def test_a_buffered_file_is_streamed(bucket: Any) -> None:
    bucket.upload("a.png", io.BufferedReader(io.BytesIO(PNG)), IMAGE)
    assert bucket.download("a.png") == PNG


def test_a_key_is_taken_once_unless_it_is_an_upsert(bucket: Any, raw: httpx.Client) -> None:
    first = raw.post("/object/pictures/a.png", content=PNG, headers=IMAGE).json()
    assert first["Key"] == "pictures/a.png"
    assert refusal(lambda: bucket.upload("a.png", PNG, IMAGE)) == ("409", "Duplicate")
    again = raw.post("/object/pictures/a.png", content=b"new", headers={**IMAGE, "x-upsert": "true"})
    assert again.json() == first
    assert bucket.download("a.png") == b"new"
    bucket.update("a.png", PNG, IMAGE)
    assert bucket.download("a.png") == PNG
    assert raw.put("/object/pictures/other.png", content=PNG, headers=IMAGE).status_code == 200


def test_only_the_declared_type_counts(bucket: Any) -> None:
    assert refusal(lambda: bucket.upload("a.png", PNG)) == ("415", "invalid_mime_type")
    bucket.upload("page.png", b"<html>", IMAGE)
    assert bucket.download("page.png") == b"<html>"


def test_the_message_names_the_type(raw: httpx.Client) -> None:
    answer = raw.post("/object/pictures/a.png", content=PNG, headers={"content-type": "text/plain;charset=UTF-8"})
    assert answer.json()["message"] == "mime type text/plain is not supported"


@pytest.mark.parametrize(("size", "refused"), [(0, False), (LIMIT, False), (LIMIT + 1, True)])
def test_the_bucket_limits_the_size(bucket: Any, raw: httpx.Client, size: int, refused: bool) -> None:
    answer = raw.post("/object/pictures/raw.png", content=b"x" * size, headers=IMAGE)
    assert answer.status_code == (400 if refused else 200)
    if refused:
        assert refusal(lambda: bucket.upload("form.png", b"x" * size, IMAGE)) == ("413", "Payload too large")
    else:
        bucket.upload("form.png", b"x" * size, IMAGE)
    assert len(bucket.list()) == (0 if refused else 2)


def test_a_raw_chunked_upload_passes_every_limit(bucket: Any, raw: httpx.Client) -> None:
    chunks = iter([b"x" * LIMIT, b"x"])
    answer = raw.post("/object/pictures/a.png", content=chunks, headers=IMAGE)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert answer.status_code == 200
    assert len(bucket.download("a.png")) == LIMIT + 1


@pytest.mark.parametrize("key", ["a?b", "a#b", "a[1]", "ä.png", "a%b", "a\\b"])
def test_invalid_keys(bucket: Any, raw: httpx.Client, key: str) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in key.encode())
    answer = raw.post(f"/object/pictures/{quoted}", content=PNG, headers=IMAGE)
    assert answer.status_code == 400
    assert (answer.json()["statusCode"], answer.json()["error"]) == ("400", "InvalidKey")


def test_a_key_may_have_spaces(bucket: Any) -> None:
    bucket.upload("my picture (1).png", PNG, IMAGE)
    assert bucket.download("my picture (1).png") == PNG


def test_metadata_is_kept(bucket: Any, raw: httpx.Client) -> None:
    bucket.upload("form.png", PNG, {**IMAGE, "metadata": {"a": 1}})
    header = base64.b64encode(json.dumps({"b": 2}).encode()).decode()
    raw.post("/object/pictures/raw.png", content=PNG, headers={**IMAGE, "x-metadata": header})
    assert (bucket.info("form.png")["metadata"], bucket.info("raw.png")["metadata"]) == ({"a": 1}, {"b": 2})


def test_an_aborted_upload_leaves_nothing(bucket: Any, raw: httpx.Client) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        raw.post("/object/pictures/a.png", content=broken(), headers={**IMAGE, "content-length": "5000"})
    assert bucket.list() == []


def test_a_large_upload_that_is_refused_early_runs_into_its_timeout(
    connect: Connect, bucket: Any, supabase: SupabaseServer
) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    supabase.storage.limit_bucket("pictures", 50_000_000, ["image/png"])
    quick = connect(timeout=0.5).storage.from_("pictures")
    with pytest.raises(httpx.WriteTimeout):
        quick.upload("a.png", b"x" * 18_000_000, IMAGE)
    with pytest.raises(httpx.WriteTimeout):
        quick.upload("b.png", b"x" * 18_000_000, {"content-type": "text/html"})


# Downloads


def test_a_part_can_be_asked_for(bucket: Any, raw: httpx.Client) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    answer = raw.get("/object/pictures/a.png", headers={"Range": "bytes=1-3"})
    assert (answer.status_code, answer.content) == (206, PNG[1:4])
    assert answer.headers["content-range"] == f"bytes 1-3/{len(PNG)}"


def test_what_is_known_is_not_sent_again(bucket: Any, raw: httpx.Client) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    etag = raw.get("/object/pictures/a.png").headers["etag"]
    answer = raw.get("/object/pictures/a.png", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_missing_object(bucket: Any, raw: httpx.Client) -> None:
    assert refusal(lambda: bucket.download("none.png")) == ("404", "not_found")
    assert refusal(lambda: bucket.info("none.png")) == ("404", "not_found")
    assert raw.get("/object/pictures/none.png").json() == {
        "statusCode": "404",
        "error": "not_found",
        "message": "Object not found",
        "code": "NoSuchKey",
    }
    assert bucket.exists("none.png") is False
    assert raw.head("/object/pictures/none.png").status_code == 400


def test_info_says_what_an_object_is(bucket: Any, raw: httpx.Client) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    info = bucket.info("a.png")
    assert (info["name"], info["size"], info["content_type"]) == ("a.png", len(PNG), "image/png")
    assert bucket.exists("a.png") is True
    assert raw.head("/object/pictures/a.png").status_code == 200


def test_a_private_bucket_has_no_public_urls(client: Client, bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    url = bucket.get_public_url("a.png")
    assert httpx.get(url).json()["message"] == "Bucket not found"
    client.storage.update_bucket("pictures", {"public": True})
    assert httpx.get(url).content == PNG


# Lists and removal


def test_a_list_shows_one_level(bucket: Any) -> None:
    for name in ("a.png", "b/1.png", "b/2.png", "c.png"):
        bucket.upload(name, PNG, IMAGE)
    listed = bucket.list()
    assert [(entry["name"], entry["id"] is None) for entry in listed] == [
        ("b", True),
        ("a.png", False),
        ("c.png", False),
    ]
    assert [entry["name"] for entry in bucket.list("b")] == ["1.png", "2.png"]
    assert listed[1]["metadata"]["size"] == len(PNG)


def test_a_list_can_be_paged_sorted_and_searched(bucket: Any) -> None:
    for name in ("a1.png", "a2.png", "b.png"):
        bucket.upload(name, PNG, IMAGE)
    assert [entry["name"] for entry in bucket.list("", {"limit": 1, "offset": 1})] == ["a2.png"]
    order = {"sortBy": {"column": "name", "order": "desc"}}
    assert [entry["name"] for entry in bucket.list("", order)] == ["b.png", "a2.png", "a1.png"]
    assert [entry["name"] for entry in bucket.list("", {"search": "a"})] == ["a1.png", "a2.png"]


def test_removing_gives_what_was_there(bucket: Any, supabase: SupabaseServer) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    assert [entry["name"] for entry in bucket.remove(["a.png", "none.png"])] == ["a.png"]
    assert bucket.remove(["none.png"]) == []
    assert refusal(lambda: bucket.download("a.png")) == ("404", "not_found")
    assert supabase.project.run("select * from storage.objects") == []


# Signed URLs


def test_a_signed_url_opens_one_object_for_a_while(bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    url = bucket.create_signed_url("a.png", 60)["signedURL"]
    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["expires"]
    bucket.upload("b.png", PNG, IMAGE)
    assert httpx.get(url.replace("a.png", "b.png")).json()["error"] == "InvalidSignature"
    assert httpx.get(url + "x").json()["error"] == "InvalidJWT"


def test_a_signed_url_expires(bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    url = bucket.create_signed_url("a.png", 1)["signedURL"]
    deadline = time.monotonic() + 5
    while (answer := httpx.get(url)).status_code == 200:
        assert time.monotonic() < deadline
    assert answer.json()["message"] == '"exp" claim timestamp check failed'


def test_what_cannot_be_signed(bucket: Any, raw: httpx.Client) -> None:
    assert refusal(lambda: bucket.create_signed_url("none.png", 60)) == ("404", "not_found")
    answer = raw.post("/object/sign/pictures/none.png", json={"expiresIn": 0})
    assert answer.json()["message"] == "body/expiresIn must be >= 1"


def test_many_are_signed_at_once_with_an_error_for_each_that_is_missing(bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    good, bad = bucket.create_signed_urls(["a.png", "none.png"], 60)
    assert (good["error"], httpx.get(good["signedURL"]).content) == (None, PNG)
    assert bad["error"] is not None


def test_a_signed_upload_works_once(bucket: Any) -> None:
    token = bucket.create_signed_upload_url("a.png")["token"]
    assert bucket.upload_to_signed_url("a.png", token, PNG, IMAGE).full_path == "pictures/a.png"
    assert refusal(lambda: bucket.upload_to_signed_url("a.png", token, PNG, IMAGE)) == ("409", "Duplicate")


# Who may


def test_strangers_may_nothing(connect: Connect, supabase: SupabaseServer, bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    stranger = connect(supabase.anon_key).storage.from_("pictures")
    assert refusal(lambda: stranger.upload("b.png", PNG, IMAGE)) == ("403", "Unauthorized")
    assert refusal(lambda: stranger.download("a.png"))[0] == "404"
    assert stranger.list() == []
    assert stranger.remove(["a.png"]) == []
    assert bucket.download("a.png") == PNG


def test_the_new_key_may_all(connect: Connect, supabase: SupabaseServer, bucket: Any) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    assert connect(supabase.secret_key_new).storage.from_("pictures").download("a.png") == PNG


def test_a_bad_token_is_a_missing_bucket_to_a_download_and_403_elsewhere(
    connect: Connect, supabase: SupabaseServer, bucket: Any
) -> None:
    bucket.upload("a.png", PNG, IMAGE)
    expired = connect(supabase.keys.sign("service_role", -60)).storage.from_("pictures")
    assert refusal(lambda: expired.download("a.png")) == ("404", "Bucket not found")
    assert refusal(lambda: expired.list()) == ("403", "Unauthorized")
    headers = {"Authorization": "Bearer nonsense"}
    answer = httpx.post(f"{supabase.url}/storage/v1/object/list/pictures", json={"prefix": ""}, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid Compact JWS")
