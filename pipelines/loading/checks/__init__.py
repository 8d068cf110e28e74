"""Cross-field checks of a declaration, a file a block: what types alone cannot refuse."""
