# Lays the functions that a transaction runs through side by side in the program: they fit into half as many pages and
# fewer cache lines, which the kernel's own code drives out of the caches between any two system calls. Names in the
# list that are none any more are ignored; tests/bench/README.md says how the list is made anew.
set(SPORTELLO_HOT_FUNCTIONS ${PROJECT_SOURCE_DIR}/proxy/hot_functions.txt)
if(NOT SPORTELLO_SANITIZE AND CMAKE_BUILD_TYPE MATCHES "^Rel")
  include(CheckLinkerFlag)
  set(order_options -fuse-ld=gold -Wl,--section-ordering-file=${SPORTELLO_HOT_FUNCTIONS})
  check_linker_flag(CXX "${order_options}" SPORTELLO_LINKER_ORDERS)
  if(SPORTELLO_LINKER_ORDERS)
    add_compile_options(-ffunction-sections)
  endif()
endif()

function(sportello_order_functions target)
  if(SPORTELLO_LINKER_ORDERS)
    target_link_options(${target} PRIVATE ${order_options})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${SPORTELLO_HOT_FUNCTIONS})
  endif()
endfunction()
