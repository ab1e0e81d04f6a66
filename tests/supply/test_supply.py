"""Where everything comes from: pinned, with hashes, under licences that somebody has looked at."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from supportchat.config import ROOT

from .sbom import LICENCES, NODE, RUN, TESTS, bill, licence_of, locked, pinned

FILES = (RUN, TESTS, NODE)
PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CNRI-Python", "ISC"),
    *("MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "PostgreSQL", "ZPL-2.1"),
}
# Tools may have any of these too: nothing of them gets into a desk.
COPYLEFT = {"GPL-2.0-only", "GPL-3.0-or-later", "LGPL-3.0-only", "MPL-2.0"}
# Commands that install something, in what we run ourselves.
INSTALLS = re.compile(r"(?:pip3?|uv|npm|npx|pipx|yarn|pnpm) (?:install|pip install|ci|add|i|exec|dlx)\b[^\n]*")


def parts(licence: str) -> set[str]:
    """Return the licences of an expression, each of which has to be kept to unless it is one of a choice."""
    return {part for part in re.split(r"[\s()]+", licence) if part not in ("", "AND", "OR")}


@pytest.mark.parametrize("name", FILES)
def test_every_python_package_is_pinned_with_the_hash_of_its_files(name: str) -> None:
    text = (ROOT / name).read_text()
    blocks = [block for block in re.split(r"\n(?=\S)", text.strip()) if not block.startswith("#")]
    assert len(pinned(name)) == len(blocks) > 0
    assert all(hashes for _, hashes in pinned(name).values())
    # An address, or a file of somebody's, would be taken without a hash.
    assert not re.search(r"^-|://|@ ", text, re.MULTILINE)


def test_the_same_package_has_one_version_wherever_it_is_pinned() -> None:
    run, tests = pinned(RUN), pinned(TESTS)
    assert {package: tests.get(package) for package in run} == run


def test_every_package_of_npm_has_its_hash_and_comes_from_the_registry_that_is_set() -> None:
    packages = locked()
    assert len(packages) > 20
    assert [path for path, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []
    assert [path for path, package in packages.items() if "resolved" in package or package.get("link")] == []
    # Only esbuild may run a script when it is installed, and it is in no lock file without being named here.
    assert {path for path, package in packages.items() if package.get("hasInstallScript")} <= {"node_modules/esbuild"}


def test_everything_that_we_install_is_installed_by_hash_or_from_the_lock_file() -> None:
    scripts = [*(ROOT / "bin").iterdir(), ROOT / ".ci/run"]
    found = [line for script in scripts for line in INSTALLS.findall(script.read_text())]
    assert found
    assert [line for line in found if "--require-hashes" not in line and not line.startswith("npm ci")] == []


def test_every_licence_is_known_and_lets_a_desk_be_run_by_anybody() -> None:
    assert set(LICENCES["run"]) == set(pinned(RUN))
    assert set(LICENCES["run"]) | set(LICENCES["tests"]) == set(pinned(TESTS))
    assert set(LICENCES["node"]) == set(pinned(NODE))
    for group in ("run", "tests", "node"):
        unknown = {name for name, licence in LICENCES[group].items() if not parts(licence) <= PERMISSIVE | COPYLEFT}
        assert unknown == set()
    copyleft = {package for package, licence in LICENCES["run"].items() if parts(licence) & COPYLEFT}
    assert copyleft == set(LICENCES["accepted"]), "say in licences.toml why this one is no problem"
    for path, locked_package in locked().items():
        allowed = PERMISSIVE | COPYLEFT if locked_package.get("dev") else PERMISSIVE
        assert parts(licence_of(locked_package)) <= allowed, path


def test_what_a_package_says_of_its_licence_is_what_we_have_written_down() -> None:
    compared = 0
    for package, licence in (LICENCES["run"] | LICENCES["tests"]).items():
        try:
            said = metadata(package).json.get("license_expression")
        except PackageNotFoundError:  # for another system
            continue
        if said:
            compared += 1
            assert parts(str(said)) <= parts(licence), package
    assert compared > 30


def test_the_bill_of_materials_names_every_package_once_with_version_hash_and_licence() -> None:
    for with_tests, name in ((False, RUN), (True, TESTS)):
        made = bill(with_tests=with_tests)
        assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
        references = [component["bom-ref"] for component in made["components"]]
        assert len(references) == len(set(references))
        assert {r for r in references if r.startswith("pkg:pypi/")} == {
            f"pkg:pypi/{package}@{version}" for package, (version, _) in pinned(name).items()
        }
        assert [r for r in references if r.startswith("pkg:npm/htmx.org@")]
        for component in made["components"]:
            assert component["licenses"][0]["expression"]
            hashes = component.get("hashes") or component["externalReferences"][0]["hashes"]
            assert all(len(one["content"]) in (64, 128) for one in hashes)
