"""What somebody types about a saved reply: bounded, cleaned, and refused with a sentence at its field."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, Form, StringField, TextAreaField
from wtforms.validators import AnyOf, DataRequired, Length, ValidationError

from ..database.rows import SavedReply
from ..tickets.times import CHOICES
from ..web.forms import MESSAGE_CHARACTERS, uploaded_image
from ..web.text import clean_line, clean_text, is_too_long
from .acts import TAGS_CHARACTERS, then_of, typed_tags
from .variables import problem_with_names

NAME_CHARACTERS = 80
AFTER = {"": _("Leave the ticket open"), "close": _("Close the ticket"), **CHOICES}


def clean_name(value: str | None) -> str:
    """Return a name on one line; one far above its limit as it is, for the validator to refuse."""
    return value or "" if is_too_long(value or "", NAME_CHARACTERS) else clean_line(value or "")


def _clean_message(value: str | None) -> str:
    return value or "" if is_too_long(value or "", MESSAGE_CHARACTERS) else clean_text(value or "")


def _clean_tags(value: str | None) -> str:
    return clean_line((value or "")[:TAGS_CHARACTERS])


def _or_nothing(value: str | None) -> str:
    return value or ""


class ReplyForm(Form):
    """A saved reply."""

    name = StringField(
        _("Name"),
        filters=[clean_name],
        validators=[
            DataRequired(_("Enter a name, so that you can find it again.")),
            Length(max=NAME_CHARACTERS, message=_("A name can have up to %(max)s characters.")),
        ],
    )
    message = TextAreaField(
        _("Text"),
        filters=[_clean_message],
        validators=[Length(max=MESSAGE_CHARACTERS, message=_("This can have up to %(max)s characters."))],
    )
    shared = BooleanField(_("For everybody"))
    after = StringField(
        _("After sending"),
        filters=[_or_nothing],
        validators=[AnyOf([*AFTER], message=_("Choose what happens to the ticket."))],
    )
    tags = StringField(_("Tags"), filters=[_clean_tags])
    drop_picture = BooleanField(_("Remove the picture"))
    has_picture = False

    def validate_message(self, field: Field) -> None:
        """Refuse a reply that says nothing and shows nothing, or that nothing could fill in."""
        if not field.data and not uploaded_image() and not (self.has_picture and not self.drop_picture.data):
            raise ValidationError(_("Write a text, or add a picture."))
        if problem := problem_with_names(field.data or ""):
            raise ValidationError(problem)

    @property
    def values(self) -> dict[str, Any]:
        """What `save_reply` takes, but for the picture."""
        return {
            "name": self.name.data,
            "message": self.message.data,
            "is_shared": bool(self.shared.data),
            "close_after": self.after.data == "close",
            "snooze": self.after.data if self.after.data in CHOICES else None,
            "tags": typed_tags(),
        }

    @classmethod
    def of(cls, reply: SavedReply) -> ReplyForm:
        """Return the form that shows a reply as it is."""
        return cls(
            name=reply["name"],
            message=reply["message"],
            shared=reply["is_shared"],
            after=then_of(reply),
            tags=", ".join(reply["tags"]),
        )
