"""The bill of materials: every package that a desk is made of, as CycloneDX, from the files that pin them."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from supportchat.config import ROOT

LICENCES: dict[str, dict[str, str]] = tomllib.loads((ROOT / "tests/supply/licences.toml").read_text())
RUN, TESTS, NODE = "requirements.txt", "requirements-dev.txt", "requirements-node.txt"
PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)==([^\s;]+)(?:[^\n]*\\\n)((?:\s+--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", re.MULTILINE
)


def bill(*, with_tests: bool = False) -> dict[str, Any]:
    """Return the bill as CycloneDX 1.6 has it: what a desk runs with, or also what only its tests need.

    It has no serial number and no date: of the same pins it is the same.
    """
    components = [*python_packages(TESTS if with_tests else RUN), *node_packages(with_tests=with_tests)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "supportchat", "bom-ref": "supportchat"}},
        "components": components,
        "dependencies": [{"ref": "supportchat", "dependsOn": [component["bom-ref"] for component in components]}],
    }


def pinned(name: str) -> dict[str, tuple[str, list[str]]]:
    """Return the packages of a requirements file: by name the version and the SHA-256 of each file of it."""
    text = (ROOT / name).read_text()
    return {
        normal(package): (version, re.findall(r"sha256:([0-9a-f]{64})", hashes))
        for package, version, hashes in PINNED.findall(text)
    }


def python_packages(name: str) -> Iterator[dict[str, Any]]:
    """Return the components of a requirements file. A wheel is one of several files, so each hash is a reference."""
    known = {package: licence for group in ("run", "tests", "node") for package, licence in LICENCES[group].items()}
    for package, (version, hashes) in sorted(pinned(name).items()):
        yield component(
            f"pkg:pypi/{package}@{version}",
            package,
            version,
            known[package],
            externalReferences=[
                {
                    "type": "distribution",
                    "url": f"pkg:pypi/{package}@{version}",
                    "hashes": [{"alg": "SHA-256", "content": digest} for digest in hashes],
                }
            ],
        )


def node_packages(*, with_tests: bool) -> Iterator[dict[str, Any]]:
    """Return the components of npm's lock file."""
    for path, package in sorted(locked().items()):
        if package.get("dev") and not with_tests:
            continue
        name, version = path.rpartition("node_modules/")[2], package["version"]
        algorithm, _, digest = package["integrity"].partition("-")
        yield component(
            f"pkg:npm/{name.replace('@', '%40')}@{version}",
            name,
            version,
            licence_of(package),
            hashes=[{"alg": algorithm.replace("sha", "SHA-"), "content": base64.b64decode(digest).hex()}],
        )


def locked() -> dict[str, dict[str, Any]]:
    """Return the packages of npm's lock file by their path."""
    packages: dict[str, dict[str, Any]] = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    return {path: package for path, package in packages.items() if path}


def licence_of(package: dict[str, Any]) -> str:
    """Return the licence of a package of npm, as SPDX writes it."""
    said: str = package.get("license", "none")
    return {"BSD-0-Clause": "0BSD"}.get(said, said)  # htmx


def component(reference: str, name: str, version: str, licence: str, **more: Any) -> dict[str, Any]:
    """Return one component."""
    return {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
        "licenses": [{"expression": licence}],
        **more,
    }


def normal(name: str) -> str:
    """Return the name of a Python package as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
