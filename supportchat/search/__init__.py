"""How agents find tickets and lines: /search, and searches with a name."""
