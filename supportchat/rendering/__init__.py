"""What reaches a page: fragments, and how templates write names, times, texts and links."""
