"""Pictures: what comes from a browser is decoded, drawn anew, stored under a random key, and only then spoken of."""
