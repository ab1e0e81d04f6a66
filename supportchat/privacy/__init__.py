"""What customers may ask for: a copy of what we have of them, or its end; and for how long chats are kept."""
