"""supportchat: customers chat at /chat, agents answer at /agent, admins see at /status that all is well."""
