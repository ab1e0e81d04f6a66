"""Who customers are, as their site says it by signed tokens, and what the shop's own tables tell of them."""
