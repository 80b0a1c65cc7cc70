"""Charging data: a document → what charging is asked; its answer → a document. Pure."""
