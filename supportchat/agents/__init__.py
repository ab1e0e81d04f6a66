"""The agents: who they are, whether they are here, and the desk at /agent."""
