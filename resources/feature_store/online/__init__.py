"""Online features: loading, reading, and comparing what was served with the offline join."""
