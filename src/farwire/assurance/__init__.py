"""Alarms, problems, incidents, tests, performance. Documents with states and events so far (see README.md)."""
