"""`python -m supportchat.database`: what bin/migrate runs."""

from __future__ import annotations

import sys

from .migrations import main

sys.exit(main())
