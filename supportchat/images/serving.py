"""Serving pictures to browsers that may see them."""

from __future__ import annotations

import os
import uuid
from typing import Any

from flask import Response, current_app, request, send_file
from flask.typing import ResponseReturnValue

from ..database import NotFound, call
from ..database.rows import StoredPicture
from .redraw.limits import EXTENSIONS
from .stores import ImageStore


def serve_image(image_id: uuid.UUID, **viewer: Any) -> ResponseReturnValue:
    """Serve a picture of the conversation of a viewer: `visitor`, the key of a browser, or `number`, of a ticket.

    :raise NotFound: if it does not exist or belongs to another conversation.
    """
    image: StoredPicture | None = call("image_of_session", image_id=str(image_id), **viewer)
    if image is None:
        raise NotFound("not_found")
    return serve_stored(image, str(image_id))


def serve_stored(image: StoredPicture, etag: str) -> ResponseReturnValue:
    """Serve a picture to a browser that may see it. `etag` changes with the picture.

    :raise NotFound: if the store has none.
    """
    if request.if_none_match.contains(etag):
        return _strict(Response(status=304, headers={"ETag": f'"{etag}"'}))  # without asking the store
    store: ImageStore = current_app.extensions["images"]
    try:
        content = store.open(image["key"])
    except FileNotFoundError as error:
        raise NotFound("not_found") from error
    name = f"picture-{etag[:8]}.{EXTENSIONS[image['content_type']]}"
    # Werkzeug's conditional responses would promise ranges, which do not work for a file without a path.
    response = send_file(content, image["content_type"], download_name=name, etag=etag, conditional=False)
    response.content_length = os.fstat(content.fileno()).st_size
    return _strict(response)


def _strict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    # The browser may cache the bytes, but must ask each time whether it may still show them.
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    return response
