"""The app of a server process, for gunicorn and for `flask --app wsgi`."""

import click

from supportchat import create_app
from supportchat.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    # The commands print it as a sentence.
    raise click.ClickException(str(error)) from error
