"""What several rules ask of a project: who keeps an object, what may fail, what a handler waits for."""
