"""What the render room promises, with real processes and a tiny model of random weights."""
