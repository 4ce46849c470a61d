"""What an agency's own program imports."""
