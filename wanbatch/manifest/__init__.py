"""From YAML text to requests."""
