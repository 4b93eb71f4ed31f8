"""wanbatch: video prompts in git, videos on disk."""

__version__ = "0.1.0"
