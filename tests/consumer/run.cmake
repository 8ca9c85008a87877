# cmake -D BUILD=... -D SOURCE=... -D WORK=... -D GENERATOR=... -D WHOLE=ON|OFF -P run.cmake
# Installs the build tree BUILD into WORK/prefix, builds the consumer project against it, runs it.
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)

# The package must be movable, and must not depend on the tree it was built in.
file(GLOB_RECURSE files ${WORK}/prefix/*.cmake)
foreach(file IN LISTS files)
  file(READ ${file} text)
  foreach(folder ${SOURCE} ${BUILD} ${WORK})
    string(FIND "${text}" ${folder} position)
    if(NOT position EQUAL -1)
      message(FATAL_ERROR "${file} mentions ${folder}")
    endif()
  endforeach()
endforeach()
file(RENAME ${WORK}/prefix ${WORK}/moved)

# The latency predictor alone must do without SentencePiece.
if(WHOLE)
  set(options -DWHOLE=ON)
else()
  set(options -DCMAKE_DISABLE_FIND_PACKAGE_SentencePiece=ON)
endif()
run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${WORK}/build -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_PREFIX_PATH=${WORK}/moved ${options})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
if(WHOLE)
  run(${WORK}/build/whole_consumer)
endif()
