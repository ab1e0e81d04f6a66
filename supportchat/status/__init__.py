"""The admin's side: is all well, and what to do where it is not."""
