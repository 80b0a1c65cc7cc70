"""Devices and their services. Documents with states and events so far (see README.md)."""
