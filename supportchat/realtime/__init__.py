"""From a change in the database to every open page: events, hub, conversations, sockets."""
