# Included by ghostschedConfig.cmake, which knows where it is installed.
find_package(Threads QUIET)

if(NOT TARGET ghostsched::ghostsched)
    add_library(ghostsched::ghostsched SHARED IMPORTED)
    set_target_properties(ghostsched::ghostsched PROPERTIES
        IMPORTED_LOCATION "${_ghostsched_prefix}/lib/libghostsched.so"
        IMPORTED_SONAME libghostsched.so.0
        INTERFACE_INCLUDE_DIRECTORIES "${_ghostsched_prefix}/include")
endif()

if(NOT TARGET ghostsched::static)
    add_library(ghostsched::static STATIC IMPORTED)
    set_target_properties(ghostsched::static PROPERTIES
        IMPORTED_LOCATION "${_ghostsched_prefix}/lib/libghostsched.a"
        INTERFACE_INCLUDE_DIRECTORIES "${_ghostsched_prefix}/include"
        INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl;c")
endif()
