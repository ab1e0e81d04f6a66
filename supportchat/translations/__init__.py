"""The texts of the pages in other languages, a catalog each, and what keeps them up to date: see bin/translate."""
