"""Many machines as one pool: what the head makes of words, what a node makes of orders, and Ray."""
