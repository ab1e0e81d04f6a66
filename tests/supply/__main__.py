"""`bin/sbom`: write the bill of materials to standard output."""

from __future__ import annotations

import json
import sys

from .sbom import bill

if sys.argv[1:] not in ([], ["--with-tests"]):
    sys.exit("Usage: bin/sbom [--with-tests]")
print(json.dumps(bill(with_tests=bool(sys.argv[1:])), indent=2))
