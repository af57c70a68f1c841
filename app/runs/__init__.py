"""Long work over many things: counted, resumable, stoppable, each item in a transaction of its own."""
