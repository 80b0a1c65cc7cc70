"""The command line: thin commands that parse, call a service and print. One module per topic."""
