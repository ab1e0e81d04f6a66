"""The admins' view: the health of the desk, and how to fix problems."""
