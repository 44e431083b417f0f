"""What every other package may use and knows nothing of pictures: files, YAML, the process."""
