"""
What ``fcn-seg doctor`` looks at where a graph is up: segmentation nodes, cameras, TF.

It listens as the node listens, with the node's own inputs, so that what it says is what the node
meets.  :mod:`fcn_seg_ros.doctor.graph` runs it in a process of its own.
"""
