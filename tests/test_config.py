"""The settings: what is taken, and what is refused with a sentence."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest

from supportchat.config import ROOT, Config, ConfigError

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
    assert "made for browsers" in sentence
    assert "sb_secret_" in sentence
    assert "Settings, API Keys" in sentence
    assert key not in sentence


@pytest.mark.parametrize(
    "key", ["hunter2", "sb_secret_", "sb_secret_a\nb", "sb_secret_ä", "sb_secret_a b", token("service_role") + "\nb"]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="no key of a Supabase project") as refused:
        Config.from_environment({"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": key})
    assert key not in str(refused.value).replace("begins with sb_secret_", "")


@pytest.mark.parametrize(
    ("given", "missing"), [("SUPABASE_URL", "SUPABASE_SECRET_KEY"), ("SUPABASE_SECRET_KEY", "SUPABASE_URL")]
)
def test_one_without_the_other_is_refused(given: str, missing: str) -> None:
    value = URL if given == "SUPABASE_URL" else "sb_secret_abc"
    with pytest.raises(ConfigError, match=f"{missing} is not set"):
        Config.from_environment({given: value})


def test_an_address_with_a_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="without a path"):
        Config.from_environment({"SUPABASE_URL": URL + "/rest/v1", "SUPABASE_SECRET_KEY": "sb_secret_abc"})


def test_a_command_says_what_is_wrong_in_one_sentence() -> None:
    settings = {"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": "hunter2", "SECRET_KEY": "x" * 32}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "doctor"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "no key of a Supabase project" in line
