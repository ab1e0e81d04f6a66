"""bin/bench: what the desk costs and how fast it is, measured from outside with a client of its own."""
