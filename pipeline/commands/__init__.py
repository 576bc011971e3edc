"""What each command does, without its arguments: those are `pipeline.cli`'s.

Owns no rule of the production; it asks the rooms that do. Never imports torch.
"""
