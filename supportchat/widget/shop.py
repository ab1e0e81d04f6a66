"""The shop of the demo: what its pages say, in English like the demo chats."""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """A page of the shop."""

    name: str
    kind: str
    text: str
    price: str
    points: tuple[str, ...]


KEY = "halden"  # of its site
NAME = "Halden Coffee"
LOOK = {
    "name": NAME,
    "colour": "#884225",
    "follow_pages": True,
}
NOTICE = "A shop that does not exist, to try the chat in"
ASK = "Ask us about it"
CHAT = "Chat with us"
BUY = "Add to bag"
TERMS = "incl. VAT, delivered in 2–3 days"
PROMISES = ("3-year warranty", "30 days to try it", "Repairs in Leipzig")
PRODUCTS = {
    "cm-410": Product(
        "CM-410",
        "Dual boiler espresso machine",
        "Heats up in 40 seconds and holds the temperature to half a degree. Every part can be replaced at home, with"
        " one screwdriver.",
        "€649",
        PROMISES,
    ),
    "cm-210": Product(
        "CM-210",
        "Espresso machine",
        "33 cm high, so it fits under every cupboard. One boiler, one lever, nothing that could break.",
        "€389",
        PROMISES,
    ),
    "cg-12": Product(
        "CG-12",
        "Coffee grinder",
        "Twelve settings that stay where you put them. Quiet enough for the morning.",
        "€149",
        PROMISES,
    ),
}
FIRST = "cm-410"
