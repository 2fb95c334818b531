"""Tables of results: text, Markdown, findings."""
