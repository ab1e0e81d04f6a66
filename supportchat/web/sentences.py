"""What people read when something does not work: one sentence for each code, with the way out."""

from __future__ import annotations

from flask_babel import format_decimal, gettext, ngettext
from flask_babel import lazy_gettext as _

from ..images.redraw.limits import MEGABYTE, MOST_BYTES
from .forms import MESSAGE_CHARACTERS

SENTENCES = {
    # Alerts
    "quiet_hours_half": _("Enter both when quiet hours begin and when they end, or neither."),
    "device_unknown": _("This browser’s notifications go to an address that we do not know. Try another browser."),
    "device_not_found": _("This device was removed. Reload the page."),
    # Messages
    "message_empty": _("Write a message or add a picture first."),
    "message_too_long": _("This message has more than %(characters)s characters. Shorten it, or send it in two parts."),
    "client_message_id_reused": _(
        "This was already sent with a different text. Send it again to add it as a new message."
    ),
    "conversation_not_found": _("There is no chat in this browser yet. Start one, and your message will reach us."),
    "conversation_moved_on": _("You started a newer chat in another tab. Reload this page to continue there."),
    "cookies_refused": _("Your browser did not keep our cookie. Allow cookies for this page and try again."),
    # Pictures
    "picture_missing": _("Choose a picture first."),
    "image_empty": _("This file is empty. Choose another picture."),
    "image_unknown_type": _("We cannot show this file. Choose a PNG, JPEG, WebP, GIF or HEIC file."),
    "image_other_kind": _("We cannot show %(detail)s files. Save it as PNG or JPEG, or send a screenshot of it."),
    "image_is_video": _(
        "This is a video, and only pictures can be sent here. Send a screenshot of the part that matters."
    ),
    "image_is_document": _("This is a %(detail)s file, and only pictures can be sent here. Send a screenshot of it."),
    "image_is_archive": _("This is a ZIP or Office file, and only pictures can be sent here. Send a screenshot of it."),
    "image_heic_unreadable": _(
        "This %(detail)s picture cannot be read. Send a screenshot of it instead. An iPhone takes JPEG photos "
        "with Settings > Camera > Formats > Most Compatible."
    ),
    "image_too_large": _("This picture is larger than %(megabytes)s MB. Choose a smaller one."),
    "image_too_many_pixels": _("This picture has too many pixels. Make it smaller and try again."),
    "image_unreadable": _("This picture is damaged and cannot be read. Choose another one."),
    "image_in_progress": _("Another picture of yours is still being sent. Try again in a moment."),
    "image_not_opened": _("This file cannot be opened on your device. Choose another one."),
    "image_one_only": _("A message can have one picture, so only one was added. Send the others separately."),
    "image_not_here": _("Pictures can be added only where you write a message. Nothing was added."),
    "image_not_in_notes": _("Notes can’t have pictures. Switch to Reply to send one."),
    "animation_first_frame": _("This animation was too long, so only its first frame was kept."),
    "image_cut_off": _("The end of this picture was missing, so part of it may be grey."),
    "image_not_taken": _(
        "This picture is too large for our storage. Choose a smaller one, or send the text without it."
    ),
    "image_not_stored": _("The picture could not be stored. Try again in a moment, or send the text without it."),
    "reply_sent": _("This reply was already sent."),
    "reply_not_held": _("This reply is not held any more."),
    # Tickets
    "changed_since": _("Something else was done with this ticket since, so nothing was taken back."),
    "ticket_not_found": _("There is no ticket with this number."),
    "ticket_closed": _("This ticket is closed. Reopen it first."),
    "ticket_erased": _("This chat was erased. Nothing is left to go on with."),
    "ticket_unassigned": _("This ticket is unassigned now. Claim it first."),
    "assigned_to_other": _("%(detail)s already took this ticket."),
    "customer_moved_on": _("This customer has since started another chat. Continue in ticket #%(detail)s."),
    "agent_not_found": _("This agent can’t take tickets any more. Choose someone else."),
    "agent_not_here": _("%(detail)s is offline. Choose someone else, or return the ticket to the queue."),
    "transition_not_allowed": _("This ticket has changed in the meantime. Check it again."),
    # Saved replies
    "reply_not_found": _("This saved reply no longer exists."),
    "reply_name_refused": _("Enter a name of up to 80 characters."),
    "reply_name_taken": _("Another saved reply is called %(detail)s already. Choose another name."),
    "replies_too_many": _("There can be up to %(detail)s of these replies. Delete some that nobody uses first."),
    "variables_unfilled": _("Write something in place of %(detail)s, or remove it. It could not be filled in."),
    # Too fast
    "messages_too_fast": _("You are sending messages too fast. Try again in %(detail)s."),
    "pictures_too_fast": _("You are sending pictures too fast. Try again in %(detail)s."),
    "starts_too_fast": _("Too many chats were just started from here. Try again in %(detail)s."),
    "logins_too_fast": _("Too many attempts to log in. Try again in %(detail)s."),
    "logins_busy": _("Too many people are logging in right now. Try again in %(detail)s."),
    "sockets_too_fast": _("This page is sending too many requests. Try again in %(detail)s."),
    "typing_too_fast": _("This page is sending too many requests. Try again in %(detail)s."),
    "receipts_too_fast": _("This page is sending too many requests. Try again in %(detail)s."),
    "requests_too_fast": _("Too many requests are coming from here. Try again in %(detail)s."),
    "pages_too_fast": _("This page is sending too many requests. Try again in %(detail)s."),
    "downloads_too_many": _("Other downloads are running. Try again in %(detail)s."),
    "pictures_unreadable": _("The pictures cannot be read right now. Try again in a moment."),
    # Tags and snoozing
    "tag_empty": _("Type a name for the tag."),
    "tag_too_long": _("A tag can have up to 40 characters."),
    "tags_too_many": _("There are 1,000 tags. Merge or delete some first."),
    "ticket_tags_too_many": _("A ticket can have up to 20 tags."),
    "tag_not_found": _("This tag was deleted or merged into another."),
    "snooze_out_of_range": _("Choose a time in the future, within a year."),
    "nothing_chosen": _("Choose some tickets first."),
    "too_many_chosen": _("Choose up to 50 tickets at once."),
    "view_not_found": _("This view was deleted."),
    "view_without_name": _("Type a name for the view."),
    "view_too_long": _("A view can have up to 60 characters in its name and 200 in its search."),
    "views_too_many": _("There are 50 views. Delete one that you no longer need."),
    # Privacy
    "days_out_of_range": _("Enter a whole number of days from 1 to 3,650."),
    # Sites
    "site_not_found": _("There is no site with this key."),
    "site_key_taken": _("Another site has this key already. Choose another one."),
    "sites_too_many": _("There can be up to %(detail)s sites. Archive one that you no longer need."),
    "main_site_stays": _("The main site cannot be archived: it stands in for every other one."),
    "identity_off": _("This site does not say who its customers are."),
    "token_refused": _("Your site did not say who you are in a way that can be checked (%(detail)s)."),
    "other_person_here": _("Someone else’s chat is open in this browser."),
    "secrets_too_many": _("A site can have two secrets. Delete the one that is no longer used first."),
    # Bans. Without a word of how long, which would say when to come back.
    "banned": _("You can’t write to us here right now. If you think this is a mistake, contact us another way."),
    "nothing_to_ban": _("There is nothing to ban: this chat has no known browser or network."),
    # People
    "login_failed": _("E-mail and password do not match. Check both and try again."),
    "password_wrong": _("This is not your current password. Check it and try again."),
    "password_changed": _("Password changed. You are logged out everywhere else."),
    "login_ended": _("The other browser is logged out."),
    "logins_ended": _("All other browsers are logged out."),
    "password_too_short": _("Use at least 12 characters."),
    "password_too_weak": _("This is easy to guess. Add another word or two, less common ones."),
    "password_is_you": _("Don’t use your name or e-mail address in it."),
    "session_not_found": _("This login has already ended."),
    "code_wrong": _("This code is wrong, or was used before. Try the next one."),
    "code_not_of_secret": _(
        "The app shows another code. Wait for the next one, and check that the clock of your phone is right."
    ),
    "codes_too_fast": _("Too many wrong codes. Try again in %(detail)s."),
    "login_expired": _("This took more than 5 minutes. Log in again."),
    "two_factor_on": _("Two-factor is already on."),
    "two_factor_off": _("Two-factor is already off."),
    "proof_wrong": _("This is neither your password nor a valid code. Check it and try again."),
    # Logins by a provider: the detail is its name
    "provider_unreachable": _("%(detail)s cannot be reached right now. Try again in a moment, or use your password."),
    "provider_answer_bad": _("%(detail)s did not answer as it should. Try again in a moment, or use your password."),
    "provider_declined": _("The request was declined at %(detail)s, so nothing has changed."),
    "provider_expired": _(
        "This login with %(detail)s took more than 10 minutes, was used before, or began in another browser. Try again."
    ),
    "provider_unknown": _(
        "Your account at %(detail)s has no access to this desk. Ask an admin to invite you, or log in with your "
        "password and connect it on your account page."
    ),
    "provider_other_login": _("You were logged out in the meantime. Log in and connect %(detail)s again."),
    "provider_email_other": _(
        "The invitation is for another e-mail address than your account at %(detail)s has. Open the invitation again, "
        "and use the account with the invited address, or choose a password. You can connect %(detail)s afterwards."
    ),
    "provider_email_taken": _(
        "Your e-mail address already has an account here. Log in with its password, then connect %(detail)s on your "
        "account page."
    ),
    "provider_is_only_way": _(
        "%(detail)s is your only way to log in. Ask an admin for a link to set a password first."
    ),
    "identity_taken": _("This account at %(detail)s belongs to somebody else on the team."),
    "identity_connected": _("Another account at %(detail)s is already connected. Disconnect it first."),
    "setting_unknown": _("There is no such setting."),
    "agent_unknown": _("No agent has this e-mail address."),
    "agent_deactivated": _("%(detail)s is disabled and cannot log in."),
    "page_of_another": _(
        "%(detail)s is now logged in in this browser, so nothing was sent. Continue only if that is you."
    ),
    "right_missing": _("Your role does not allow this. Ask an admin."),
    "email_taken": _("%(detail)s already has an account with this e-mail address."),
    "email_of_disabled": _("%(detail)s had an account with this e-mail address. Enable it below instead."),
    "role_unknown": _("This role does not exist. Choose another one."),
    "person_not_found": _("This person is not on the team any more."),
    "invitation_not_found": _("This invitation was accepted or withdrawn. Invite the person again if they need one."),
    "last_admin": _("The last admin cannot be disabled or given another role. Make somebody else an admin first."),
    "handover_unknown": _("This link no longer works. Go back to the chat and open it in its own window again."),
    "link_unknown": _("This link no longer works. It was used, replaced, or is too old. Ask an admin for a new one."),
    "foreign_origin": _("This request came from another site, so it was refused. Open the page here and try again."),
    "no_origin": _(
        "Your browser did not say which page this came from, so it was refused. Try another browser, or turn off what "
        "removes this, such as a privacy extension."
    ),
    "sandboxed": _("The page around this chat does not let it send anything. Open the chat in its own window."),
    "wrong_host": _(
        "This support desk is set up for another address. If you run it: set PUBLIC_URL to the address in your "
        "browser, or HOST to an address of this machine, make proxies pass on the Host header, and restart it. "
        "Its log shows what arrived and what was expected."
    ),
    "wrong_address": _(
        "This support desk is set up for another address, so it did not accept what you sent. If you run it: set "
        "PUBLIC_URL to the address in your browser, and TRUSTED_PROXIES behind a proxy, and restart it. Its "
        "log shows what arrived and what was expected."
    ),
    # Everything else
    "value_refused": _("One of the values cannot be saved as it is. Check what you typed and try again."),
    "database_unavailable": _("We cannot reach our database right now. Nothing is lost: try again in a moment."),
    "changed_meanwhile": _("Something changed at the same moment. Nothing is lost: try again."),
    "key_refused": _(
        "We cannot sign in to our database right now. Nothing is lost. Admins can see what to do on the status page."
    ),
    "schema_not_exposed": _("We cannot access our database right now. Admins can see what to do on the status page."),
    "schema_missing": _("The database is not fully set up. Admins can see what to run on the status page."),
    "no_room": _("Our disk is full right now. Nothing is lost: try again in a few minutes."),
    "not_found": _("Page not found."),
    "body_too_large": _("This is too large. Pictures can have up to %(megabytes)s MB."),
    "text_too_large": _("This is too long. Messages can have up to %(characters)s characters."),
    "body_too_slow": _("This took too long to reach us. Check your connection and try again."),
    "not_understood": _("The request could not be understood. Reload the page and try again."),
    "fault": _("Something went wrong on our side, and it has been logged. Try again in a moment."),
}


# The same for a page that tries again by itself, and counts the time down.
AGAIN = {
    "messages_too_fast": _("You are sending messages too fast. It will be sent in %(detail)s."),
    "pictures_too_fast": _("You are sending pictures too fast. It will be sent in %(detail)s."),
    "starts_too_fast": _("Too many chats were just started from here. It will be sent in %(detail)s."),
}


def counting_down(code: str) -> str:
    """Return the sentence of a page that tries again by itself, in which its script fills in how long that takes."""
    return str(AGAIN.get(code) or SENTENCES.get(code, SENTENCES["not_understood"])) % {"detail": "%(time)s"}


def sentence(code: str, detail: str = "") -> str:
    """Return the sentence for a code; `detail` stands in where the sentence names somebody."""
    if code == "messages_came":
        return messages_came(int(detail))
    text = str(SENTENCES.get(code, SENTENCES["not_understood"]))
    values = {"characters": format_decimal(MESSAGE_CHARACTERS), "megabytes": format_decimal(MOST_BYTES // MEGABYTE)}
    return text % (values | {"detail": detail or gettext("Someone else")})


def messages_came(count: int) -> str:
    """Return what to say to an agent whose reply was written before the customer's last messages came."""
    return ngettext(
        "%(num)s new message came while you wrote. Nothing was sent yet.",
        "%(num)s new messages came while you wrote. Nothing was sent yet.",
        count,
    )


def in_words(seconds: int) -> str:
    """Write how long to wait: in seconds up to a minute and a half, else in minutes."""
    if seconds < 90:
        # Translators: how long to wait, in "Try again in %(detail)s."
        return ngettext("%(num)s second", "%(num)s seconds", seconds)
    # Translators: how long to wait, in "Try again in %(detail)s."
    return ngettext("%(num)s minute", "%(num)s minutes", -(-seconds // 60))
