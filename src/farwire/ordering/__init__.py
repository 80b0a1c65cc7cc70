"""Product orders: taken, checked, carried out task by task, undone where they must be (see README.md)."""
