include(${CMAKE_CURRENT_LIST_DIR}/telltale/micropython.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ujpeg/micropython.cmake)
