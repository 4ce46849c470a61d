"""`setu rotate`: replaces a key or a certificate that is in use, while everything goes on."""

import typer

from broker.cli import rotate_gateway

app = typer.Typer(no_args_is_help=True, help="Replace keys and certificates in use, each by one command.")

rotate_gateway.register(app)
