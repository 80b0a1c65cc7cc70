"""Farwire commands as processes of their own that need not load the application first.

A process that has loaded it waits at a socket and forks for each command: its own arguments, environment, folder,
streams and exit code, as if a person had typed it, without the second that loading takes. Tests of the start itself
run ``python`` instead.
"""
