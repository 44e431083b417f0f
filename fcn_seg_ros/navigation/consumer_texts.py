"""The texts that :mod:`.consumers` fills in: YAML with the reasons beside the values."""

COSTMAP_HEAD = """\
local_costmap:
  local_costmap:
    ros__parameters:
      global_frame: {global_frame}
      robot_base_frame: {robot_frame}
      update_frequency: 5.0
      publish_frequency: 2.0
      transform_tolerance: 0.3
      rolling_window: true
      width: 10
      height: 10
      resolution: 0.05
      robot_radius: 0.25
      always_send_full_costmap: true
"""

COSTMAP_TAIL = """\
      inflation_layer:
        plugin: "nav2_costmap_2d::InflationLayer"
        cost_scaling_factor: 3.0
        inflation_radius: 0.7
"""

BY_MAXIMUM = """\
      track_unknown_space: false
      # A lidar's own layer may go before or behind: the maximum of both counts.
      plugins: ["camera_layer", "inflation_layer"]
      camera_layer:
"""

STATIC_HEADER = """\
# Local costmap fed by StaticLayer from our own grid: costs graded by class, no plugin beyond Nav2.
#
# Only for rolling costmaps: StaticLayer resizes a fixed one to the grid. The grid has to be in
# a frame whose axes stay put (costmap.frame: odom), and costmap.unobserved has to be -1 in the
# segmentation node, as it is by default: what nobody has seen is unknown, not free.
#
# When the camera falls silent the node ages the grid until all of it is unknown. A node that has
# ended does not, and StaticLayer does not notice: the last grid stays. Watch /diagnostics, or the
# stamps of the grid; obstacle_layer.yaml notices by itself.
"""

STATIC_COSTMAP = """\
      # These four are the costmap's, and StaticLayer reads them from there.
      # true would make every cost below 100 free.
      trinary_costmap: false
      lethal_cost_threshold: 100
      # Unknown stays unknown. The costmap then starts each cycle as unknown (255) everywhere, and
      # a maximum with that is unknown everywhere, whatever the grid holds: so the grid has to
      # overwrite. (Nav2's main branch lets unknown be transparent to the maximum since pull
      # request 6516 of September 2026; Humble to Lyrical 1.5.1 do not. What is here suits all.)
      track_unknown_space: true
      use_maximum: false
      # First, since it overwrites what comes before it, a lidar's layer included. What comes
      # behind takes the maximum: plugins: ["camera_layer", "obstacle_layer", "inflation_layer"]
      plugins: ["camera_layer", "inflation_layer"]
      camera_layer:
"""

STATIC_LAYER = """\
  plugin: "nav2_costmap_2d::StaticLayer"
  enabled: true
  map_topic: "{topic}"
  map_subscribe_transient_local: true
  subscribe_to_updates: false
  footprint_clearing_enabled: false
"""

OBSTACLE_HEADER = """\
# Local costmap fed by ObstacleLayer: obstacles of the camera are lethal, ground is free.
#
# For a plain camera on flat ground; with a depth camera prefer voxel_layer.yaml. The layer
# clears in two dimensions and has to be the camera's alone: what the camera takes for ground
# must not erase what a lidar saw. Cells that leave the camera's view stay as they were, so
# that a drive leaves stale obstacles behind: static_layer.yaml forgets them.
"""

OBSTACLE_LAYER = """\
  plugin: "nav2_costmap_2d::ObstacleLayer"
  enabled: true
  footprint_clearing_enabled: true
  combination_method: 1  # the maximum with the layers before
  # Points on the ground plane have a height of about 0, give or take the pitch. The layer
  # and each source filter by height, and their defaults start at 0.0: set all four.
  min_obstacle_height: -0.5
  max_obstacle_height: 2.0
  # Seconds without a cloud after which a source warns and the costmap no longer counts as
  # current (expected_update_rate), so that nobody drives on what a dead camera saw last. It
  # has to exceed the time between two frames: `fcn-seg nav2 --rate HZ` fits it to slow ones.
  observation_sources: {sources}
"""

OBSTACLE_SOURCES = {
    'mark': ('obstacles', """\
topic: "{topic}"
data_type: "PointCloud2"
marking: true
clearing: false
min_obstacle_height: -0.5
max_obstacle_height: 2.0
obstacle_min_range: 0.0
obstacle_max_range: 6.0
observation_persistence: 0.0
expected_update_rate: {silence}
"""),
    'clear': ('ground', """\
topic: "{topic}"
data_type: "PointCloud2"
marking: false
clearing: true
min_obstacle_height: -0.5
max_obstacle_height: 2.0
raytrace_min_range: 0.0
raytrace_max_range: 6.5
observation_persistence: 0.0
expected_update_rate: {silence}
"""),
}

VOXEL_HEADER = """\
# Local costmap fed by VoxelLayer: as obstacle_layer.yaml, but cleared in three dimensions, for
# a depth camera that gives obstacles their real heights.
#
# Rays to the ground and to other obstacles clear what they pass through. What rose so high that
# none does, above the lens with nothing behind it, stays when it has gone: where people walk,
# prefer static_layer.yaml.
"""

VOXEL_LAYER = """\
  plugin: "nav2_costmap_2d::VoxelLayer"
  enabled: true
  footprint_clearing_enabled: true
  combination_method: 1  # the maximum with the layers before
  # 15 voxels of 0.15 m, the ground in the middle of the lowest. Rays that clear end two
  # cells before their point, a little above the ground: with a border between two voxels at
  # the ground they would never reach the one in which feet on the ground plane are. The lens
  # has to be within the voxels, or the layer cannot clear; there are at most 16.
  origin_z: -0.075
  z_resolution: 0.15
  z_voxels: 15
  unknown_threshold: 15
  mark_threshold: 0
  publish_voxel_map: false
  # The layer and each source filter by height: set all four.
  min_obstacle_height: -0.5
  max_obstacle_height: 2.0
  # Seconds without a cloud after which a source warns and the costmap no longer counts as
  # current (expected_update_rate), so that nobody drives on what a dead camera saw last. It
  # has to exceed the time between two frames: `fcn-seg nav2 --rate HZ` fits it to slow ones.
  observation_sources: {sources}
"""

VOXEL_SOURCES = {
    'mark': ('obstacles', """\
topic: "{topic}"
data_type: "PointCloud2"
marking: true
# Rays to a wall clear what stood before it, higher than rays to the ground pass. What
# is still there is marked again by the same cloud: marking comes after clearing.
clearing: true
min_obstacle_height: -0.5
max_obstacle_height: 2.0
obstacle_min_range: 0.0
obstacle_max_range: 6.0
raytrace_min_range: 0.0
raytrace_max_range: 6.5
observation_persistence: 0.0
expected_update_rate: {silence}
"""),
    'clear': OBSTACLE_SOURCES['clear'],
}

STVL_HEADER = """\
# Local costmap fed by the Spatio-Temporal Voxel Layer: marks decay, faster in the camera's view.
#
# The view (frustum) is taken from the clearing cloud's frame, z forward, which is the optical
# frame that our clouds are in. Set the two angles to the camera's own:
#   2 atan(width / (2 fx)), 2 atan(height / (2 fy)).
"""

STVL_LAYER = """\
  plugin: "spatio_temporal_voxel_layer/SpatioTemporalVoxelLayer"
  enabled: true
  voxel_size: 0.05
  voxel_decay: 5.0  # s
  decay_model: 0  # linear
  track_unknown_space: false
  mark_threshold: 0
  update_footprint_enabled: true
  combination_method: 1  # the maximum with the layers before
  publish_voxel_map: false
  transform_tolerance: 0.2
  mapping_mode: false
  # Seconds without a cloud after which the layer is no longer current: expected_update_rate.
  # It has to exceed the time between two frames: `fcn-seg nav2 --rate HZ` fits it to slow
  # ones.
  observation_sources: {sources}
"""

STVL_SOURCES = {
    'mark': ('obstacles', """\
topic: "{topic}"
data_type: "PointCloud2"
marking: true
clearing: false
obstacle_range: 6.0
# On the ground plane points have a height of about 0: the default of 0.0 drops them.
min_obstacle_height: -0.5
max_obstacle_height: 2.0
observation_persistence: 0.0
expected_update_rate: {silence}
filter: "passthrough"
voxel_min_points: 0
clear_after_reading: true
"""),
    'clear': ('ground', """\
# Only the frame and the stamp of this cloud count, not its points.
topic: "{topic}"
data_type: "PointCloud2"
marking: false
clearing: true
min_obstacle_height: -0.5
max_obstacle_height: 2.0
# What only clears never counts as updated: with a rate the layer is never current.
expected_update_rate: 0.0
min_z: 0.1
max_z: 6.5
vertical_fov_angle: 0.8
horizontal_fov_angle: 1.2
decay_acceleration: 5.0
model_type: 0  # depth camera
"""),
}

SEMANTIC_HEADER = """\
# Local costmap fed by semantic_segmentation_layer: costs by class, any number of classes.
#
# Start the segmentation node in an environment that HAS vision_msgs: without it there is no
# {label_info}, and the layer ends Nav2's whole process at the first mask.
#
# The node needs a depth camera or the camera's pose, and a mask of moderate size:
#   ros2 run fcn_seg_ros segmentation_node --ros-args -p mask_size:=400x225
# The classes below are those of the class set '{classes}', all of them, with the costs of
# their roles: the layer reports a class that is missing here as a critical error. For another
# network, or roles of your own:
#   fcn-seg nav2 semantic_segmentation_layer --network NETWORK --roles FILE
"""

SEMANTIC_LAYER = """\
  plugin: "semantic_segmentation_layer::SemanticSegmentationLayer"
  enabled: true
  combination_method: 1  # the maximum with the layers before
  # Mask, confidence and cloud of a frame carry the same stamp: nothing to approximate.
  use_approximate_time_sync: false
  sensor_data_depth: 10
  observation_sources: {sources}
"""

SEMANTIC_SOURCE = """\
segmentation_topic: "{class_mask}"
confidence_topic: "{confidence}"
pointcloud_topic: "{points}"
labels_topic: "{label_info}"
observation_persistence: 0.0
# The layer reads it and never looks at it; what it saw fades in tile_map_decay_time.
expected_update_rate: 0.0
min_obstacle_distance: 0.3
max_obstacle_distance: 6.0
tile_map_decay_time: 3.0
# Of several classes in a tile the one of the highest cost counts.
use_cost_selection: true
visualize_tile_map: false
{types}"""

SEMANTIC_TYPE = """\
base_cost: {cost}
max_cost: {cost}
mark_confidence: 0
samples_to_max_cost: 0
dominant_priority: false
"""

SEMANTIC_LETHAL = """\
base_cost: 200
max_cost: {cost}
mark_confidence: 128  # 0..255, average of the tile's observations
samples_to_max_cost: 2
dominant_priority: true
"""

COLLISION_MONITOR = """\
# Nav2's Collision Monitor fed by the camera's obstacles: it slows the robot down before it hits
# something and stops it when the camera falls silent, whatever planner and controller do.
#
# It passes velocities on from cmd_vel_in_topic to cmd_vel_out_topic: the names are those of
# nav2_bringup. The robot's shape is what the local costmap publishes.
collision_monitor:
  ros__parameters:
    base_frame_id: {robot_frame}
    odom_frame_id: {grid_frame}
    cmd_vel_in_topic: "cmd_vel_smoothed"
    cmd_vel_out_topic: "cmd_vel"
    state_topic: "collision_monitor_state"
    transform_tolerance: 0.3
    # Seconds without a cloud after which the robot stands still (Jazzy and newer; Humble's
    # leaves a silent source out and drives on). It counts from the image's stamp, and has to
    # exceed the time between two frames and that of the work on one: this is for 5 frames a
    # second and more, `fcn-seg nav2 --rate HZ` fits it to slower ones (max_rate). A cloud
    # without a point counts as well: there is nothing to hit.
    source_timeout: {silence}
    base_shift_correction: true
    stop_pub_timeout: 2.0
    polygons: ["approach"]
    approach:
      type: "polygon"
      action_type: "approach"
      footprint_topic: "/local_costmap/published_footprint"
      time_before_collision: 1.5
      simulation_time_step: 0.1
      min_points: 4
      visualize: false
      enabled: true
    observation_sources: [{sources}]
"""

COLLISION_SOURCE = """\
type: "pointcloud"
topic: "{topic}"
# The node has bounded the heights already (points.min_obstacle_height, points.max_height).
# Nav2's versions of late 2025 measure these in the camera's frame: let all points pass.
min_height: -100.0
max_height: 100.0
enabled: true
"""
