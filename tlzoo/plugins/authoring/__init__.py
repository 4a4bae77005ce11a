"""For authors of plugins: begin one, look at its source and its state, try it."""
