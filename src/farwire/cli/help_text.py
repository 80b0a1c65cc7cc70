"""The words of ``--help``: paragraphs that flow to the width of the terminal."""

from __future__ import annotations

import inspect

import typer


def let_flow(app: typer.Typer) -> None:
    """Join the lines of each paragraph of the help of ``app`` and all below it: a docstring is no screen.

    A paragraph with an indented line, such as an example, stays as it is.
    """
    for command in app.registered_commands:
        if command.callback is not None:
            command.help = flowing(command.help or inspect.getdoc(command.callback) or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            let_flow(group.typer_instance)
            group.typer_instance.info.help = titled(group.typer_instance.info.help or "")


def flowing(text: str) -> str:
    """Return ``text`` with one line per paragraph."""
    return "\n\n".join(
        paragraph if any(line.startswith(" ") for line in lines) else " ".join(lines)
        for paragraph in text.split("\n\n")
        for lines in [paragraph.split("\n")]
    )


def titled(text: str) -> str:
    """Return the help of a topic with a title before its examples, which would lose their indentation without one."""
    first, gap, rest = text.partition("\n\n")
    return f"{first}{gap}Examples:{gap}{rest}" if rest.startswith(" ") else text
