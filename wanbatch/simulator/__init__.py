"""The service, pretended. Knows nothing of the house."""
