"""Everything that draws: the keeper of the model, its workers, and what they draw with.

The only room that imports torch or diffusers; it knows of no journal, inbox or page. Importing the
room itself imports neither.
"""
