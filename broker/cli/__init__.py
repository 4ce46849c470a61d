"""The command `setu`: one module per group of commands."""

from broker.cli.app import app


def main() -> None:
    app()
