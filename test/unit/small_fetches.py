"""Fetched networks of the tests: what is left of them in the models folder."""

import published

NAME = published.NETWORK


def installed(models_dir):
    """Return what is in the models folder, but for the hidden working folder."""
    return sorted(str(path.relative_to(models_dir)) for path in models_dir.rglob('*')
                  if '.fetch' not in path.parts)


def leftovers(models_dir):
    """Return the names of the files in the hidden working folder."""
    return {path.name for path in (models_dir / '.fetch').rglob('*') if path.is_file()}
