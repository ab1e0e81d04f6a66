"""Pictures: an upload is decoded, re-encoded and stored under a random key before anything refers to it."""
