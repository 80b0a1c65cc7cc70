"""Protocols of the network, spoken with programs that are not ours."""
