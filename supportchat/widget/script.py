"""The script for other sites, as it is served: with what it has to know of its site, and compressed once."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
from typing import NamedTuple

from ..database.rows import Site
from ..rendering.assets import BUILT, newest_files

PLACE = "SUPPORTCHAT_SITE"  # where the script has what the desk says
MOST_SITES = 64


class Script(NamedTuple):
    """A text of the script, the same compressed, and a name for both."""

    plain: bytes
    compressed: bytes
    etag: str


def script_for(site: Site) -> Script:
    """Return the script for the pages of a site."""
    return _made(json.dumps({"color": site["colour"], "follow": site["follow_pages"]}, separators=(",", ":")))


@functools.lru_cache(MOST_SITES)
def _made(said: str) -> Script:
    plain = _source().replace(PLACE, said).encode()
    return Script(plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:16])


@functools.cache
def _source() -> str:
    source = (BUILT / newest_files()["widget.js"]).read_text(encoding="utf-8")
    return source.partition("\n//# sourceMappingURL")[0] + "\n"
