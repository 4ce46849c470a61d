"""`setu rotate`: another key or certificate in the place of one that is in use, each by one command, under load."""

import typer

from broker.cli import rotate_agency, rotate_gateway, rotate_log, rotate_targets

app = typer.Typer(no_args_is_help=True, help="Put another key in the place of one in use, while everything goes on.")
for each in (rotate_agency, rotate_gateway, rotate_log, rotate_targets):
    each.register(app)
