"""What can be sold and delivered where. Documents with states and events so far (see README.md)."""
