"""Variants: further ones of a kind that another test of the default run shows. Only `bin/test --all` runs them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

ALL = os.environ.get("TESTS") == "all"
variant = pytest.mark.variant


def variants(values: Iterable[Any]) -> list[Any]:
    """Return parameters of a test as variants."""
    return [pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=variant) for value in values]


def first(values: Iterable[Any], count: int = 1) -> list[Any]:
    """Return parameters of a test of which all but the first ones are variants."""
    listed = list(values)
    return [*listed[:count], *variants(listed[count:])]
