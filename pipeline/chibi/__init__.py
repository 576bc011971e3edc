"""The bundled model `chibi`: what it knows, how its pictures are painted and how it is trained.

Owns the model and its weights. Nothing but the model's own path may import it.
"""
