"""The page on which admins give each site its look and its words, and the stylesheet of a look."""

from __future__ import annotations

import functools
from typing import Any

from flask import Blueprint, Response, abort, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from ..agents.pictures import put_picture, take_picture
from ..config import current_config
from ..database import Conflict, DatabaseError, Invalid, NotFound, call
from ..database.rows import PeopleHere, Site
from ..rendering.assets import PUBLIC
from ..rendering.fragments import current_fragments
from ..rendering.languages import language, shipped_language
from ..web.errors import described, on_refusal
from ..web.htmx import from_htmx
from ..web.policies import for_people_with, open_to_all
from ..web.sentences import sentence
from . import MAIN, Sites
from .forms import NewSiteForm, SiteForm
from .look import COLOUR, OWN, look_name, nearest, preview_stylesheet, stylesheet

SITE = "/sites/<key>"

bp = Blueprint("sites", __name__)


@bp.get("/sites")
@for_people_with("manage_desk")
def index() -> ResponseReturnValue:
    """Show the sites, and the form that adds one."""
    return _list(NewSiteForm())


@bp.post("/sites")
@for_people_with("manage_desk")
def add() -> ResponseReturnValue:
    """Add a site, and lead to its page."""
    form = NewSiteForm(request.form)
    if not form.validate():
        return _list(form), 422
    if not form.wanted_key:
        form.key.errors = [_("Enter a key: letters from a to z, digits, and hyphens.")]
        return _list(form), 422
    try:
        call("add_site", agent_id=g.agent["id"], key=form.wanted_key, name=form.name.data)
    except Conflict as error:
        status, code, detail = described(error)
        form.key.errors = [sentence(code, detail)]
        return _list(form), status
    _forget()
    return redirect(url_for("sites.show", key=form.wanted_key), 303)


@bp.get(SITE)
@for_people_with("manage_desk")
def show(key: str) -> ResponseReturnValue:
    """Show what can be changed about a site, and how it looks."""
    site = _site(key)
    return _page(site, SiteForm.of(site), is_saved="saved" in request.args)


@bp.post(SITE)
@for_people_with("manage_desk")
def change(key: str) -> ResponseReturnValue:
    """Change a site, or show how it would look."""
    site, form = _site(key), SiteForm(_typed())
    if not form.validate():
        return _page(site, form), 422
    if "preview" in request.form:
        return _page(site, form)
    call("change_site", agent_id=g.agent["id"], key=key, values=form.values)
    _forget()
    return redirect(url_for("sites.show", key=key, saved=""), 303)


@bp.post(f"{SITE}/preview")
@for_people_with("manage_desk")
def preview(key: str) -> ResponseReturnValue:
    """Show how a site would look with what is being typed."""
    site, form = _site(key), SiteForm(_typed())
    form.validate()
    return render_template("sites/_preview.html", **_looks(site, form), form=form)


@bp.post(f"{SITE}/logo")
@for_people_with("manage_desk")
def change_logo(key: str) -> ResponseReturnValue:
    """Give a site the logo that was sent."""
    site = _site(key)
    refusal = take_picture("logo", functools.partial(_replace_logo, key))
    if refusal:
        return _logo_page(site, error=refusal.text), refusal.status
    return _logo_changed(key)


@bp.post(f"{SITE}/logo/delete")
@for_people_with("manage_desk")
def remove_logo(key: str) -> ResponseReturnValue:
    """Take its logo away from a site."""
    put_picture(None, functools.partial(_replace_logo, key))
    return _logo_changed(key)


@bp.post(f"{SITE}/archive")
@for_people_with("manage_desk")
def archive(key: str) -> ResponseReturnValue:
    """Put a site away: its address shows the main one."""
    return _archived(key, is_archived=True)


@bp.post(f"{SITE}/archive/delete")
@for_people_with("manage_desk")
def restore(key: str) -> ResponseReturnValue:
    """Take a site up again."""
    return _archived(key, is_archived=False)


@bp.get(f"{SITE}/look")
@for_people_with("manage_desk")
def preview_look(key: str) -> Response:
    """Serve the stylesheet of a colour in both themes, for the preview. It depends on the colour alone."""
    colour = f"#{request.args.get('colour', '')}"
    if not COLOUR.fullmatch(colour):
        abort(404)
    return _css(preview_stylesheet(colour), "private, max-age=3600, no-transform")


@bp.get("/look/<string(length=15):name>.css")
@open_to_all
def look(name: str) -> Response:
    """Serve the stylesheet of a colour, whose name changes with it."""
    colour = f"#{name[:6]}"
    if not COLOUR.fullmatch(colour):
        abort(404)
    is_current = name == look_name(colour)
    kept = "public, max-age=31536000, immutable, no-transform" if is_current else "no-store, no-transform"
    response = _css(stylesheet(colour), kept)
    response.headers.update(PUBLIC)  # for a page in a sandbox, as with the other styles
    return response


@bp.errorhandler(Conflict)
@bp.errorhandler(Invalid)
def on_refused(error: DatabaseError) -> ResponseReturnValue:
    """Show the page of the site as it is now, with the reason and what was typed."""
    key = (request.view_args or {}).get("key")
    if error.code == "page_of_another" or key is None or from_htmx():
        return on_refusal(error)
    status, code, detail = described(error)
    site = _site(key)
    is_typed = "colour" in request.form
    return _page(site, SiteForm(_typed()) if is_typed else SiteForm.of(site), error=sentence(code, detail)), status


def _typed() -> MultiDict[str, str]:
    """Return the form that was sent, with the colour that was offered if that was chosen."""
    typed = request.form.copy()
    if offered := request.form.get("nearest"):
        typed.setlist("colour", [offered])
    return typed


def _sites() -> list[Site]:
    sites: list[Site] = call("list_sites", agent_id=g.agent["id"])
    return sites


def _site(key: str) -> Site:
    found = next((site for site in _sites() if site["key"] == key), None)
    if found is None:
        raise NotFound("site_not_found")
    return found


def _forget() -> None:
    """Have this process see the change at once; the others hear of it."""
    sites: Sites = current_app.extensions["sites"]
    sites.forget()


def _replace_logo(key: str, logo: str | None) -> str | None:
    former: str | None = call("change_logo", agent_id=g.agent["id"], key=key, logo=logo)
    _forget()
    return former


def _logo_changed(key: str) -> ResponseReturnValue:
    if not from_htmx():
        return redirect(url_for("sites.show", key=key), 303)
    return _logo_page(_site(key)), {"HX-Trigger": '{"look": {"target": "#site"}}'}  # for the preview


def _logo_page(site: Site, error: str = "") -> str:
    """Return the panel alone to scripts: a page anew would lose what is typed and not saved."""
    if from_htmx():
        return render_template("sites/_logo.html", agent=g.agent, edited=site, logo_error=error)
    return _page(site, SiteForm.of(site), logo_error=error)


def _archived(key: str, *, is_archived: bool) -> ResponseReturnValue:
    call("archive_site", agent_id=g.agent["id"], key=key, archived=is_archived)
    _forget()
    return redirect(url_for("sites.index"), 303)


def _css(rules: str, kept: str) -> Response:
    response = Response(rules, mimetype="text/css")
    response.headers["Cache-Control"] = kept
    return response


def _list(form: NewSiteForm) -> str:
    return render_template("sites/index.html", agent=g.agent, sites=_sites(), form=form, main=MAIN)


def _page(site: Site, form: SiteForm, **values: Any) -> str:
    address = current_config().address
    return render_template(
        "sites/show.html",
        agent=g.agent,
        edited=site,
        form=form,
        main=MAIN,
        address=address,
        **_looks(site, form),
        **values,
    )


def _looks(site: Site, form: SiteForm) -> dict[str, Any]:
    """Return what the preview shows: what is typed, as far as it could be saved."""
    colour = form.colour.data or ""
    shown: Any = {
        **site,
        "name": form.name.data or site["name"],
        "colour": colour if COLOUR.fullmatch(colour) else OWN,
        "greeting": form.greeting.data or None,
        "show_faces": bool(form.show_faces.data),
        "show_reply_time": bool(form.show_reply_time.data),
    }
    here: PeopleHere = call("who_is_here", visitor="", address="")
    with current_fragments().in_language(shipped_language(form.language.data) or language()):
        screens = Markup(render_template("sites/_screens.html", site=shown, here=here))  # noqa: S704 - by a template
    return {"shown": shown, "screens": screens, "nearest": nearest(shown["colour"])}
