"""From a change in the database to every open page: events, the hub, and the sockets that carry its frames."""
