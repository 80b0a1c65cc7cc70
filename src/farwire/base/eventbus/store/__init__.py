"""SQL of the event bus: the outbox as the application sees it, and what only the relay's role may touch."""
