# Mends what stands in the way of building against the ROS 2 wheels of PyPI.
#
# Included through CMAKE_PROJECT_INCLUDE by setup.py, never in a ROS 2 workspace.
# ROS_WHEELS_PREFIX is the prefix that the wheels are installed in (a virtual environment).

set(ENV{AMENT_PREFIX_PATH} "${ROS_WHEELS_PREFIX}")
list(PREPEND CMAKE_PREFIX_PATH "${ROS_WHEELS_PREFIX}")

# The wheels export include directories of the machine they were built on, and CMake refuses
# imported targets that name missing directories.
function(_ros_wheels_drop_missing_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(folders)
      list(FILTER folders EXCLUDE REGEX "^/opt/python/")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folders}")
    endif()
  endforeach()
endfunction()

# CMake refuses to export include directories that lie in the source tree, as NumPy's do when
# the environment is a folder of the checkout: they count while building only.
function(_ros_wheels_keep_includes_private)
  get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(folders)
      string(REPLACE "." "\\." prefix "${ROS_WHEELS_PREFIX}")
      list(TRANSFORM folders REPLACE "^(${prefix}/.*)$" "$<BUILD_INTERFACE:\\1>")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folders}")
    endif()
  endforeach()
endfunction()

cmake_language(DEFER CALL _ros_wheels_drop_missing_includes)
cmake_language(DEFER CALL _ros_wheels_keep_includes_private)
