"""Replies that agents have saved: their variables, their page, and their list in the composer."""
