"""The Flask app of one process, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response
from jinja2 import ChainableUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from . import backends, cli
from .account import routes as account_routes
from .agents import routes as agent_routes
from .alerts import routes as alert_routes
from .audit import routes as audit_routes
from .bans import routes as ban_routes
from .chat import routes as chat_routes
from .chat import visitors
from .config import ROOT, Config
from .identity import routes as identity_routes
from .identity.card import Cards, kept_card
from .identity.keys import IssuerKeys
from .images import notices
from .people import links as link_routes
from .people import routes as people_routes
from .privacy import routes as privacy_routes
from .privacy.eraser import Eraser
from .provider import routes as provider_routes
from .realtime.allowance import Allowance
from .realtime.hub import Hub
from .realtime.sockets import Served
from .rendering import assets, filters, languages, words
from .rendering.environment import DeskEnvironment
from .rendering.fragments import Fragments
from .replies import routes as reply_routes
from .search import routes as search_routes
from .sites import Sites
from .sites import init_app as init_sites
from .sites import routes as site_routes
from .status import routes as status_routes
from .tags import routes as tag_routes
from .tickets import routes as ticket_routes
from .web import compression, cookies, errors, limits, proxies, security
from .web.bodies import DeskRequest
from .web.door import Door
from .widget import routes as widget_routes


class Desk(Flask):
    """Flask without what none of our requests needs."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is. Flask looks, at every view and hook of every request, whether it is async."""
        return func

    def process_response(self, response: Response) -> Response:
        """Have the hooks change what is sent. After a websocket's handshake nothing is."""
        return response if isinstance(response, Served) else super().process_response(response)


def create_app(config: Config | None = None) -> Flask:
    """Make the app of one process. Nothing connects or listens yet: see `Hub.start`."""
    config = config or Config.from_environment()
    app = Desk("supportchat", template_folder=str(ROOT / "templates"), static_folder=None)
    app.request_class = DeskRequest
    app.extensions["config"] = config
    app.config.update(
        # A picture of 10 MB and its form around it.
        MAX_CONTENT_LENGTH=11 * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,  # far more than a message may have: a longer one is answered in its form
        MAX_FORM_PARTS=20,
    )

    app.url_map.merge_slashes = False  # it redirects to an address made from the request's Host

    # What a row of an older version lacks (who closed it, who had it before) is left out, and stops no page.
    app.jinja_environment = DeskEnvironment
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "undefined": ChainableUndefined}

    compression.init_app(app)  # it comes last when a response goes out
    languages.init_app(app)
    database, events, images = backends.open_mode(config)
    app.extensions["database"] = database
    app.extensions["images"] = images
    app.extensions["eraser"] = Eraser(database, images)
    app.extensions["fragments"] = Fragments(app)
    app.extensions["sites"] = Sites(database)
    app.extensions["cards"] = Cards(database)
    app.jinja_env.globals["kept_card"] = kept_card
    app.extensions["issuer_keys"] = IssuerKeys()
    app.extensions["hub"] = Hub(
        database, events, app.extensions["fragments"], app.extensions["sites"], Allowance.of(config)
    )

    proxies.init_app(app, config)
    security.init_app(app, config)
    cookies.init_app(app)
    visitors.init_app(app)
    assets.init_app(app)
    filters.init_app(app)
    init_sites(app)
    words.init_app(app)
    errors.init_app(app)
    limits.init_app(app)
    notices.init_app(app)

    for routes in (
        chat_routes,
        agent_routes,
        account_routes,
        ticket_routes,
        people_routes,
        reply_routes,
        ban_routes,
        tag_routes,
        search_routes,
        link_routes,
        privacy_routes,
        audit_routes,
        site_routes,
        identity_routes,
        status_routes,
        widget_routes,
    ):
        app.register_blueprint(routes.bp)
    provider_routes.init_app(app)
    alert_routes.init_app(app)
    cli.init_app(app)

    app.wsgi_app = Door(app.wsgi_app, config.limit_requests, app.extensions["known_browsers"])  # type: ignore[method-assign]
    if config.trusted_proxies:
        hops = config.trusted_proxies
        fixed = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
        app.wsgi_app = proxies.Unquoted(fixed)  # type: ignore[method-assign]
    return app
