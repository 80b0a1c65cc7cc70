"""``farwire charging``: charge online, look after prepaid and postpaid balances, say why something was refused."""

from __future__ import annotations

import typer

from farwire.cli import charging_account, charging_books, charging_terms
from farwire.cli.charging_move import move, shards
from farwire.cli.charging_serve import serve

app = typer.Typer(
    name="charging",
    no_args_is_help=True,
    help="Online charging: quotas for what is used now, balances that never go below what there is.\n\n"
    "  farwire charging serve\n\n"
    "  farwire charging plan set go-5-plan.toml --tenant acme\n\n"
    "  farwire charging offer set go-5-offer.toml --tenant acme\n\n"
    "  farwire charging account open --offering go-5 --msisdn 4915112345678 --tenant acme\n\n"
    "  farwire charging account topup 4915112345678 10.00 --tenant acme\n\n"
    "Balances are in the shard that runs; terms and identities are in the database.",
)
app.command("serve")(serve)
app.command("shards")(shards)
app.command("move")(move)
app.command("reconcile")(charging_books.reconcile)
app.add_typer(charging_terms.plan, name="plan")
app.add_typer(charging_terms.offer, name="offer")
app.add_typer(charging_account.app, name="account")
