# paretoformer_room(NAME SOURCES a.cpp ... USES other_room ...): one static library per room,
# exported as Paretoformer::NAME, with its headers next to its sources.
function(paretoformer_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES" ${ARGN})
  add_library(${name} STATIC ${ROOM_SOURCES})
  add_library(Paretoformer::${name} ALIAS ${name})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME paretoformer_${name})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/paretoformer>)
  foreach(room IN LISTS ROOM_USES)
    target_link_libraries(${name} PUBLIC Paretoformer::${room})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY PARETOFORMER_ROOMS ${name})
endfunction()
