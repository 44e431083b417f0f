"""
From class masks to what a robot drives on: rays, clouds, grids, regions; no ROS.

- ``distortion``, ``camera``: a calibration becomes one ray per mask pixel;
- ``pose``: where the camera is, from a mount or a transform; what a pitch error costs;
- ``matching``: the depth image of an image's time;
- ``depth``, ``plane``: metres along the optical axis per pixel, measured or from the ground;
- ``roles``: what each class means to a ground robot;
- ``feet``, ``obstacles``, ``points``: organised, marking and clearing clouds;
- ``costmap``, ``observe``: evidence of several frames and cameras in one rolling grid;
- ``frame``: all of these for one camera;
- ``regions``: class fractions of named rectangles.

Frames are those of REP-103: optical frames have z forward, x right and y down, body and
ground frames x forward, y left and z up.  Lengths are metres, angles radians.
"""
