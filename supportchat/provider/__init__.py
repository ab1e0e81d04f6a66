"""Logins by an OpenID Connect provider: who is sent there, what it answers, and whom it names. See docs/oidc.md."""
