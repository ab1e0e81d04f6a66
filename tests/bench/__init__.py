"""bin/bench: what the desk costs and how fast it is, measured from outside, with a client that shares no code with it."""
