"""The settings: what is taken, and what is refused with a sentence."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click import ClickException

from supportchat import config as settings
from supportchat.config import ROOT, Config, ConfigError
from supportchat.server.run import check_port
from tests.server import free_port

URL = "https://abc.supabase.co"


def token(role: str) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": "supabase", "role": role, "exp": 4102444800})
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts), "c2ln"])


@pytest.mark.parametrize("key", ["sb_secret_abc", token("service_role")])
def test_both_kinds_of_secret_keys_are_taken(key: str) -> None:
    config = Config.from_environment({"SUPABASE_URL": URL + "/", "SUPABASE_SECRET_KEY": key})
    assert (config.mode, config.supabase_url, config.supabase_secret_key) == ("supabase", URL, key)


@pytest.mark.parametrize("key", ["sb_publishable_abc", token("anon"), token("authenticated")])
def test_a_browsers_key_is_refused_with_the_one_that_is_wanted_and_where_it_is(key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_environment({"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": key})
    sentence = str(refused.value)
    assert "is a key for browsers" in sentence
    assert "sb_secret_" in sentence
    assert "Settings, API Keys" in sentence
    assert key not in sentence


@pytest.mark.parametrize(
    "key", ["hunter2", "sb_secret_", "sb_secret_a\nb", "sb_secret_ä", "sb_secret_a b", token("service_role") + "\nb"]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="not the key of a Supabase project") as refused:
        Config.from_environment({"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": key})
    assert key not in str(refused.value).replace("begins with sb_secret_", "")


@pytest.mark.parametrize(
    ("given", "missing"), [("SUPABASE_URL", "SUPABASE_SECRET_KEY"), ("SUPABASE_SECRET_KEY", "SUPABASE_URL")]
)
def test_one_without_the_other_is_refused(given: str, missing: str) -> None:
    value = URL if given == "SUPABASE_URL" else "sb_secret_abc"
    with pytest.raises(ConfigError, match=f"{missing} is not set"):
        Config.from_environment({given: value})


@pytest.mark.parametrize(("name", "value"), [("PORT", "http"), ("PORT", "65536"), ("WORKERS", "0"), ("WORKERS", "-1")])
def test_a_number_that_cannot_be_is_named_with_those_that_can(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{value}': .* from 1 to"):
        Config.from_environment({name: value})


@pytest.mark.parametrize(
    ("environ", "is_demo"),
    [
        ({}, True),
        ({"HOST": "::1"}, True),
        ({"DEMO": "off"}, False),
        ({"HOST": "0.0.0.0"}, False),
        ({"PUBLIC_URL": "https://chat.example.com"}, False),
        ({"DATABASE_URL": "host=127.0.0.1"}, False),
        ({"DATABASE_URL": "host=127.0.0.1", "DEMO": "on"}, True),
    ],
)
def test_demo_accounts_are_for_a_desk_that_nobody_else_can_reach(environ: dict[str, str], is_demo: bool) -> None:
    assert Config.from_environment(environ).demo == is_demo


@pytest.mark.parametrize("environ", [{"HOST": "0.0.0.0"}, {"PUBLIC_URL": "https://chat.example.com"}])
def test_no_desk_that_others_can_reach_has_demo_accounts(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="DEMO=on is for trying the desk on this machine"):
        Config.from_environment({"DEMO": "on", **environ})


def test_an_address_with_a_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="without a path"):
        Config.from_environment({"SUPABASE_URL": URL + "/rest/v1", "SUPABASE_SECRET_KEY": "sb_secret_abc"})


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://chat.example.com:443", "https://chat.example.com"),
        ("http://chat.example.com:80/", "http://chat.example.com"),
        ("HTTPS://Chat.Example.com:8443", "https://chat.example.com:8443"),
        (" https://chat.example.com: ", "https://chat.example.com"),
        ("https://müller.example", "https://xn--mller-kva.example"),
        ("https://STRAßE.example", "https://xn--strae-oqa.example"),
        ("https://[2001:DB8:0::1]:3000", "https://[2001:db8::1]:3000"),
        ("http://192.0.2.1:3000", "http://192.0.2.1:3000"),
    ],
)
def test_an_address_is_kept_as_browsers_write_the_origin(given: str, origin: str) -> None:
    assert Config.from_environment({"PUBLIC_URL": given}).public_url == origin


@pytest.mark.parametrize("name", ["PUBLIC_URL", "SUPABASE_URL", "EMBED_ORIGINS"])
@pytest.mark.parametrize(
    "value",
    [
        "http://[",
        "https://:443",
        "https://x:99999999",
        "https://x:0",
        "https://x:http",
        "https://u:p@x",
        "https://*",
        "https://a;script-src",
        "https://a..b",
        "https://-.example",
        "https://127.1",
        "https://[fe80::1%eth0]",
        "https://" + "ü" * 70,
        "https://x/#desk",
        "https://x?",
        "ftp://x",
    ],
)
def test_an_address_that_no_browser_could_be_at_is_refused_with_a_sentence(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is .*: write it as https://chat.example.com, without a path"):
        Config.from_environment({name: value, "SUPABASE_SECRET_KEY": "sb_secret_abc" * (name == "SUPABASE_URL")})


def test_a_host_that_flask_refuses_is_no_public_url_but_may_be_a_containers() -> None:
    with pytest.raises(ConfigError, match="PUBLIC_URL is 'http://my_desk'"):
        Config.from_environment({"PUBLIC_URL": "http://my_desk"})
    url = "http://supabase_kong:8000"
    assert Config.from_environment({"SUPABASE_URL": url, "SUPABASE_SECRET_KEY": "sb_secret_abc"}).supabase_url == url


def test_sites_that_are_separated_by_commas_are_refused_with_what_separates_them() -> None:
    with pytest.raises(ConfigError, match=r"EMBED_ORIGINS is 'https://a\.example,': .*separate several with spaces"):
        Config.from_environment({"EMBED_ORIGINS": "https://a.example, https://b.example"})


def test_all_hosts_of_a_site_may_show_the_chat() -> None:
    config = Config.from_environment({"EMBED_ORIGINS": "https://*.shop.example http://Localhost:8080"})
    assert config.embed_origins == ("https://*.shop.example", "http://localhost:8080")


def test_a_home_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"DATA_DIR is '~nosuch/x': .* write the full path"):
        Config.from_environment({"DATA_DIR": "~nosuch/x"})


def test_a_file_of_settings_in_another_encoding_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes("PUBLIC_URL=https://müller.example".encode("latin-1"))
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    with pytest.raises(ConfigError, match=r"\.env is not UTF-8"):
        Config.from_environment()


@pytest.mark.parametrize("url", ["nonsense", "postgresql://u:p%ss@host/x", "hots=localhost"])
def test_what_is_no_connection_string_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(
        ConfigError, match="DATABASE_URL is not a Postgres connection string: write it as postgresql://"
    ) as refused:
        Config.from_environment({"DATABASE_URL": url})
    assert "p%ss" not in str(refused.value)


def test_a_connection_string_for_prisma_is_known() -> None:
    with pytest.raises(ConfigError, match=r"DATABASE_URL .* remove \?pgbouncer=true"):
        Config.from_environment({"DATABASE_URL": "postgresql://u:p@host:6543/postgres?pgbouncer=true"})


def test_a_host_that_is_no_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on ü+ port .* Set HOST"):
        check_port("ü" * 70, free_port())


def test_flask_says_a_wrong_setting_without_a_traceback() -> None:
    assert issubclass(ConfigError, ClickException)


def test_a_secret_key_that_an_older_version_asked_for_is_ignored() -> None:
    assert Config.from_environment({"SECRET_KEY": "short"}) == Config.from_environment({})


def test_a_command_says_what_is_wrong_in_one_sentence() -> None:
    values = {"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": "hunter2"}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "doctor"],
        cwd=ROOT,
        env={**os.environ, **values},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "not the key of a Supabase project" in line


def test_the_format_of_the_log_is_one_of_two() -> None:
    assert Config.from_environment({}).log_format == "text"
    assert Config.from_environment({"LOG_FORMAT": "json"}).log_format == "json"
    with pytest.raises(ConfigError, match="LOG_FORMAT is 'xml': set it to text or json"):
        Config.from_environment({"LOG_FORMAT": "xml"})
