"""Customer identity: what sites say by signed tokens, and what the shop's own tables tell of them."""
