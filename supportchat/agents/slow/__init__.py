"""What takes long to compute about passwords, as a program of its own, which imports nothing of the desk."""
