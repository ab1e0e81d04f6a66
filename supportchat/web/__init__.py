"""What a request goes through before and after its route: bodies, origins, limits, forms, and refusals."""
