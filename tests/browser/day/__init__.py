"""An agent's day: three of them, by keyboard alone, and the customers who write to them."""
