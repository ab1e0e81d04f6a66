"""What people read when something does not work: one sentence for each code, with the way out."""

from __future__ import annotations

SENTENCES = {
    # Messages
    "message_empty": "Write a message or add a picture first.",
    "message_too_long": "This message has more than 8000 characters. Shorten it, or send it in two parts.",
    "client_message_id_reused": (
        "This was already sent with a different text. Send it again to add it as a new message."
    ),
    "conversation_not_found": "There is no chat in this browser yet. Start one, and your message will reach us.",
    "conversation_moved_on": "You have started a newer chat in another tab. Load this page again to go on there.",
    "form_expired": "This page was open for too long. Please send it again: your text is still here.",
    "cookies_refused": "Your browser did not keep our cookie. Allow cookies for this page, and send it again.",
    # Pictures
    "image_empty": "This file is empty. Choose another picture.",
    "image_unknown_type": "This is not a picture that we can show. Choose a PNG, JPEG, WebP, GIF or HEIC file.",
    "image_other_kind": "We cannot show {detail} files. Save it as PNG or JPEG, or send a screenshot of it.",
    "image_is_video": (
        "This is a video, and only pictures can be sent here. Send a screenshot of the part that matters."
    ),
    "image_is_document": "This is a {detail} file, and only pictures can be sent here. Send a screenshot of it.",
    "image_heic_unreadable": (
        "This {detail} picture cannot be read. Send a screenshot of it instead. An iPhone takes JPEG photos with"
        " Settings > Camera > Formats > Most Compatible."
    ),
    "image_too_large": "This picture is larger than 10 MB. Choose a smaller one.",
    "image_too_many_pixels": "This picture has too many pixels. Make it smaller and try again.",
    "image_unreadable": "This picture is damaged and cannot be read. Choose another one.",
    "image_in_progress": "Another picture of yours is still being sent. Try again in a moment.",
    "image_not_opened": "This file cannot be opened on your device. Choose another one.",
    "image_one_only": "A message takes one picture, so only one was added. Send the others separately.",
    "image_not_here": "Pictures can be added only where you write a message. Nothing was added.",
    "image_not_in_notes": "Notes can’t have pictures. Switch to Reply to send one.",
    "animation_first_frame": "This animation was too long, so only its first frame was kept.",
    "image_cut_off": "The end of this picture was missing, so a part of it may be gray.",
    "image_not_taken": "This picture is too large for our storage. Choose a smaller one, or send the text without it.",
    "image_not_stored": "The picture could not be stored. Try again in a moment, or send the text without it.",
    # Tickets
    "ticket_not_found": "There is no ticket with this number.",
    "ticket_closed": "This ticket is closed. Reopen it first.",
    "ticket_unassigned": "This ticket is unassigned now. Claim it first.",
    "assigned_to_other": "{detail} already took this ticket.",
    "customer_moved_on": "This customer has since started another chat. Continue in ticket #{detail}.",
    "agent_not_found": "This agent can’t take tickets any more. Choose someone else.",
    "agent_not_here": "{detail} is offline. Choose someone else, or return the ticket to the queue.",
    "transition_not_allowed": "This ticket has changed in the meantime. Check it again.",
    # Too fast
    "messages_too_fast": "You are sending messages too fast. Try again in {detail}.",
    "pictures_too_fast": "You are sending pictures too fast. Try again in {detail}.",
    "starts_too_fast": "Too many chats were just started from here. Try again in {detail}.",
    "logins_too_fast": "Too many attempts to log in. Try again in {detail}.",
    "logins_busy": "Too many people are logging in right now. Try again in {detail}.",
    "typing_too_fast": "This page sends too many requests. Try again in {detail}.",
    "receipts_too_fast": "This page sends too many requests. Try again in {detail}.",
    # People
    "login_failed": "E-mail and password do not match. Check both and try again.",
    "agent_unknown": "No agent has this e-mail address.",
    "agent_deactivated": "{detail} is deactivated and cannot log in.",
    "login_expired": "This page was open for too long. Log in again.",
    "admins_only": "Only admins can open this page.",
    "foreign_origin": "This request came from another site, so it was refused. Open the page here and try again.",
    "wrong_host": "This support desk is set up for another address. If you run it: set PUBLIC_URL to the address in"
    " your browser, or HOST to an address of this machine, have proxies pass the Host header on, and restart it. Its"
    " log says what came and what was expected.",
    "wrong_address": "This support desk is set up for another address, so it could not take what you sent. If you run"
    " it: set PUBLIC_URL to the address in your browser, and TRUSTED_PROXIES behind a proxy, and start it again. Its"
    " log says what came and what was expected.",
    # Everything else
    "value_refused": "One of the values cannot be saved as it is. Check what you typed and try again.",
    "database_unavailable": "We cannot reach our database right now. Nothing is lost: try again in a moment.",
    "changed_meanwhile": "Something changed at the same moment. Nothing is lost: try again.",
    "key_refused": (
        "We cannot sign in to our database right now. Nothing is lost. Admins see on the status page what to do."
    ),
    "schema_not_exposed": "Our database does not let us in right now. Admins see on the status page what to do.",
    "schema_missing": "The database is not fully set up. Admins see on the status page what to run.",
    "no_room": "Our disk is full right now. Nothing is lost: try again in a few minutes.",
    "not_found": "Page not found.",
    "body_too_large": "This is too large. Pictures may have up to 10 MB.",
    "text_too_large": "This is too long. Messages may have up to 8000 characters.",
    "body_too_slow": "This took too long to reach us. Check your connection and try again.",
    "not_understood": "The request could not be understood. Reload the page and try again.",
    "fault": "Something went wrong on our side, and we have noted it. Try again in a moment.",
}


def sentence(code: str, detail: str = "") -> str:
    """Return the sentence for a code; `detail` stands in where the sentence names somebody."""
    return SENTENCES.get(code, SENTENCES["not_understood"]).format(detail=detail or "Somebody else")


def in_words(seconds: int) -> str:
    """Write how long to wait: in seconds up to a minute and a half, else in minutes."""
    count, unit = (seconds, "second") if seconds < 90 else (-(-seconds // 60), "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
