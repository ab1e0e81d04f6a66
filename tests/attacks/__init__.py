"""What somebody without an account may do to the desk, and what another user feels of it meanwhile."""
