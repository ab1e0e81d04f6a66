"""The agents' side of a conversation: /tickets."""
