"""Places. Documents with states and events so far (see README.md)."""
