"""The chat on other sites: the script that shows it there, and the way from there into a window of its own."""
