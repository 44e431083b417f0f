"""Measuring the package on the machine at hand, see ``fcn-seg bench``."""
