"""The tags of the desk: /tags."""
