"""A prepared data set on disk: reader, writer, shards."""
