"""The service: its catalogue, its wire format, its files."""
