"""What is loaded into a desk that is sampled."""
