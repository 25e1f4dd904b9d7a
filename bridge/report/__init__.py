"""What a run tells: as text, Markdown and data."""
