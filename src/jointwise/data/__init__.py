"""From a file to a batch: formats, data sets, the store, clips."""
