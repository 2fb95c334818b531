"""Files that native code of others parses: in another process with limits, which may crash without harm to this one."""
