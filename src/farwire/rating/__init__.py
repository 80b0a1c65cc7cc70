"""Rating: price plans compiled to immutable tariffs, and the one meaning of what a usage record costs."""
