"""The local page `jointwise serve`: recordings dropped into a browser are watched, named and corrected there."""
