"""What agents see and change about themselves, at /account."""
