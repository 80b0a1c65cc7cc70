"""The days that must work, as one command, with generators that know the truth."""
