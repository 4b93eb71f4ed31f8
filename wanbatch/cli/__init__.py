"""The door: one file a verb."""
