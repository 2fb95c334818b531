"""Tables, the report page and the viewer."""
