"""The audit log, as admins read it and take it away."""
