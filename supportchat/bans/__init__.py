"""Who may not write for a time, what was closed as spam, and which first messages are held."""
