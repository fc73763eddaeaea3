# find_package(ghostsched): the targets ghostsched::ghostsched, shared, and ghostsched::static.
get_filename_component(_ghostsched_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
include("${CMAKE_CURRENT_LIST_DIR}/ghostschedTargets.cmake")
unset(_ghostsched_prefix)
