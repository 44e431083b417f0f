"""The ``fcn-seg`` command line, one module a command."""
