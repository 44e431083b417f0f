"""Cameras in space: rays of pixels, lens distortion, poses, calibration files."""
