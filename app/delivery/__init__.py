"""Mail out, each message kept as rendered."""
