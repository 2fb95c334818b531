"""What can be set: the schema, the layers that set it, systems and recipes."""
