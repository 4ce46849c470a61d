"""`setu rotate`: the next keys and certificates of whoever runs it, each by one command, under load."""

import typer

from broker.cli import rotate_agency

app = typer.Typer(no_args_is_help=True, help="Rotate keys and certificates, under load, with nothing refused.")
rotate_agency.register(app)
