"""What the audit log has: groups of kinds, for those who look for some. `templates/audit/_what.html` has the words."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "logins": (
        *("login.ok", "login.refused", "logout", "session.ended", "password.changed", "name.changed"),
        *("identity.bound", "identity.unbound", "device.added", "device.removed"),
        *("two_factor.on", "two_factor.off", "two_factor.codes_replaced", "two_factor.recovery_code_used"),
    ),
    "people": (
        *(
            "setup.offered",
            "person.created",
            "person.invited",
            "person.joined",
            "link.withdrawn",
            "person.role_changed",
        ),
        *("person.renamed", "person.limit_changed", "person.disabled", "person.enabled"),
        *("password.link_made", "two_factor.removed"),
    ),
    "privacy": ("customer.exported", "customer.erased", "conversation.erased", "retention.began", "audit.exported"),
    "bans": ("ban.made", "ban.ended"),
    "settings": (
        *("reply.added", "reply.changed", "reply.deleted", "replies.imported"),
        "settings.changed",
        "site.added",
        "site.changed",
        "site.archived",
        "site.restored",
        "site.identity_changed",
        "site.secret_made",
        "site.secret_deleted",
    ),
}
