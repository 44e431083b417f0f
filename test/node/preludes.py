"""Python code that several tests put into a node's process, before its main()."""

PATIENT = """
import fcn_seg_ros.ros.main, fcn_seg_ros.ros.node
for module, name in ((fcn_seg_ros.ros.main, '_GRACE'), (fcn_seg_ros.ros.node, '_END_TIMEOUT'),
                     (fcn_seg_ros.ros.node, '_CLOSE_TIMEOUT')):
    getattr(module, name)  # An AttributeError says that it has another name now.
    setattr(module, name, 1e6)
"""
"""
A node that gives what it waits for at its end all the time that it takes.

By default it is cut short after a second or so, which a busy machine may need for an end that
is in order.  What never ends makes the test fail here, by its deadline.
"""
