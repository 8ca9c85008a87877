# paretoformer_room(NAME SOURCES a.cpp ... USES other/room ...): a static library per room, exported as
# Paretoformer::NAME, with its headers next to its sources. NAME is the folder, a sub-room's is
# ROOM/SUB_ROOM, and its target ROOM_SUB_ROOM. Without sources it stands for the rooms it uses.
option(PARETOFORMER_BULK_BUILD
       "Compile a room's sources together: builds from nothing are faster, those after a change slower" OFF)

function(paretoformer_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES" ${ARGN})
  string(REPLACE "/" "_" target ${name})
  set(scope PUBLIC)
  if(ROOM_SOURCES)
    add_library(${target} STATIC ${ROOM_SOURCES})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME paretoformer_${target})
    if(PARETOFORMER_BULK_BUILD)
      set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(Paretoformer::${target} ALIAS ${target})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/paretoformer>)
  foreach(room IN LISTS ROOM_USES)
    string(REPLACE "/" "_" room ${room})
    target_link_libraries(${target} ${scope} Paretoformer::${room})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY PARETOFORMER_ROOMS ${target})
endfunction()

# paretoformer_use_eigen(TARGET): for its .cpp files only, so that whoever links the room needs no
# Eigen. Threads, and blocks as large as a machine's caches, would change the order of sums: results
# are the same on every machine.
function(paretoformer_use_eigen target)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:Eigen3::Eigen>)
  target_compile_definitions(${target} PRIVATE EIGEN_NO_CPUID EIGEN_DONT_PARALLELIZE)
endfunction()
