"""Model card of one version: what it was made of, how good it is and where not, and who let it serve; as HTML and Markdown."""
