"""The customer's side: /chat."""
