"""`setu rotate`: another key in the place of one that is in use, while everything goes on."""

import typer

from broker.cli import rotate_log, rotate_targets

app = typer.Typer(no_args_is_help=True, help="Put another key in the place of one in use, while everything goes on.")
for each in (rotate_log, rotate_targets):
    each.register(app)
