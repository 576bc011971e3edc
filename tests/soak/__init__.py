"""Long runs of the real program under kills, edits and clock jumps."""
