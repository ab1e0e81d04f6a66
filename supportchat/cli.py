"""Commands for operators: `flask --app wsgi ...`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click
from flask import Flask, current_app

from .agents.forms import EMAIL, PASSWORD_CHARACTERS, SHORTEST_PASSWORD, clean_email
from .agents.passwords import hash_password, random_password
from .config import current_config
from .database import Conflict, DatabaseError, NotFound, call
from .demo import create_demo_chats
from .server.embedded import EmbeddedPostgres
from .status.checks import Checks
from .status.provider import check_provider
from .web.sentences import sentence
from .web.text import clean_line

ROLES = ("agent", "lead", "admin")
# No option takes the password: all users of the machine see the arguments of a command, and the shell keeps them.
password_option = click.option(
    "--choose-password",
    is_flag=True,
    help="Ask for the password, or read a line from standard input. By default a random one is generated and shown.",
)


def init_app(app: Flask) -> None:
    """Add the commands."""
    for command in (create_agent, reset_password, demo, doctor):
        app.cli.add_command(command)


@click.command("create-agent")
@click.option("--name", prompt="Name", help="Shown to customers.")
@click.option("--email", prompt="E-mail", help="Used to log in.")
@password_option
@click.option("--role", type=click.Choice(ROLES), default="agent", show_default=True, help="What they may do.")
@click.option("--admin", is_flag=True, help="Short for --role admin.")
@click.option("--max-tickets", default=5, show_default=True, type=click.IntRange(0, 1000), help="Open tickets at once.")
def create_agent(name: str, email: str, choose_password: bool, role: str, admin: bool, max_tickets: int) -> None:
    """Add somebody who replies to customers."""
    name, email = clean_line(name), clean_email(email)
    if not 1 <= len(name) <= 80:
        raise click.BadParameter("A name must have 1 to 80 characters.", param_hint="--name")
    if not 3 <= len(email) <= 254 or not EMAIL.match(email):
        raise click.BadParameter("This is not an e-mail address.", param_hint="--email")
    given = _password(choose_password)
    with _running_database():
        try:
            call(
                "create_agent",
                name=name,
                email=email,
                role="admin" if admin else role,
                password_hash=hash_password(given),
                max_tickets=max_tickets,
            )
        except Conflict:
            raise click.ClickException(
                f"An agent with the address {email} already exists. If the password is lost:"
                f" .venv/bin/flask --app wsgi reset-password --email {email}"
            ) from None
        except DatabaseError as error:
            raise click.ClickException(sentence(error.code)) from error
    click.echo(f"Created {name} <{email}>." + ("" if choose_password else f" Password: {given}"))


@click.command("reset-password")
@click.option("--email", prompt="E-mail", help="The agent's e-mail address.")
@password_option
@click.option("--forget-two-factor", is_flag=True, help="Also turn two-factor off, if they have lost their phone.")
def reset_password(email: str, choose_password: bool, forget_two_factor: bool) -> None:
    """Give an agent a new password, and log them out everywhere."""
    email, given = clean_email(email), _password(choose_password)
    with _running_database(must_be_there=True):
        try:
            agent = call(
                "reset_password",
                email=email,
                password_hash=hash_password(given),
                forget_two_factor=forget_two_factor,
            )
        except NotFound:
            raise click.ClickException(f"No agent has the address {email}. Check it and try again.") from None
        except DatabaseError as error:
            raise click.ClickException(sentence(error.code, error.detail)) from error
    told = "" if choose_password else f" Password: {given}"
    click.echo(f"Reset the password of {agent['name']} <{agent['email']}> and logged them out everywhere.{told}")


@click.command("demo")
def demo() -> None:
    """Add a few example chats."""
    with _running_database(must_be_there=True):
        try:
            if not call("list_agents"):
                raise click.ClickException(
                    "There are no agents yet. Create one: .venv/bin/flask --app wsgi create-agent"
                )
            numbers = create_demo_chats(current_app.extensions["database"])
        except DatabaseError as error:
            raise click.ClickException(sentence(error.code)) from error
    click.echo(f"Started {len(numbers)} chats: {', '.join(f'#{number}' for number in numbers)}.")


@click.command("doctor")
def doctor() -> None:
    """Run the checks of /status in a terminal, except Realtime, which only a running server can check."""
    with _running_database(must_be_there=True):
        checks = Checks(*(current_app.extensions[part] for part in ("database", "images", "hub"))).run()
        checks += check_provider()
    failed, said = False, ""
    for check in checks:
        if check.key == "realtime":
            continue
        failed |= check.state == "fail"
        click.echo(f"{check.state:4}  {check.name:22}  {check.text}")
        fix = f"{check.fix} (sql/{check.script})" if check.script else check.fix
        if fix and fix != said:
            click.echo(f"      {fix}")
            said = fix
        for statement in check.sql.splitlines():
            click.echo(f"      {statement}")
    sys.exit(1 if failed else 0)


def _password(is_chosen: bool) -> str:
    if not is_chosen:
        return random_password()
    if sys.stdin.isatty():
        given = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if len(given) < SHORTEST_PASSWORD:
        raise click.UsageError(f"A password must have at least {SHORTEST_PASSWORD} characters.")
    if len(given) > PASSWORD_CHARACTERS:
        raise click.UsageError(f"A password can have at most {PASSWORD_CHARACTERS} characters.")
    return given


@contextlib.contextmanager
def _running_database(*, must_be_there: bool = False) -> Iterator[None]:
    config = current_config()
    if config.mode != "embedded":
        yield
        return
    postgres = EmbeddedPostgres(config.data_dir)
    if must_be_there and not postgres.exists():
        raise click.ClickException(f"There is no desk in {config.data_dir} yet: run bin/run, or check DATA_DIR.")
    with postgres.running():
        try:
            yield
        finally:
            current_app.extensions["database"].close()
