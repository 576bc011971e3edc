"""The page's server, over real HTTP and in a real browser."""
