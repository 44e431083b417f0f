"""Train, evaluate and export networks; nothing at run time imports this subpackage."""
