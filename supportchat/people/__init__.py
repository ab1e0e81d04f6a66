"""The people of the desk: who is let in, by which link, and who is shut out."""
