# Installs the libraries, headers, presets and binary, and the package files for find_package.
include(CMakePackageConfigHelpers)
get_property(rooms GLOBAL PROPERTY PARETOFORMER_ROOMS)

install(TARGETS ${rooms} EXPORT ParetoformerTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(room IN ITEMS support search_spaces accel_sim latency_predictor supernet nas)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room}/
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/paretoformer/${room}
          FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h" PATTERN python EXCLUDE)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/search_spaces/
        DESTINATION ${CMAKE_INSTALL_DATADIR}/paretoformer/search_spaces
        FILES_MATCHING PATTERN "*.json")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/accel_sim/
        DESTINATION ${CMAKE_INSTALL_DATADIR}/paretoformer/accel_sim
        FILES_MATCHING PATTERN "*.json")
if(TARGET paretoformer)
  install(TARGETS paretoformer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Paretoformer)
install(EXPORT ParetoformerTargets NAMESPACE Paretoformer:: DESTINATION ${package_dir})
configure_package_config_file(cmake/ParetoformerConfig.cmake.in
  ${PROJECT_BINARY_DIR}/ParetoformerConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ParetoformerConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/FindSentencePiece.cmake
              ${PROJECT_BINARY_DIR}/ParetoformerConfig.cmake
              ${PROJECT_BINARY_DIR}/ParetoformerConfigVersion.cmake DESTINATION ${package_dir})
