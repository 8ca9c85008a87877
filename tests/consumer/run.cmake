# cmake -D BUILD=... -D SOURCE=... -D WORK=... -D GENERATOR=... -D WHOLE=ON|OFF [-D PYTHON=...]
#       -P run.cmake
# Installs the build tree BUILD into WORK/prefix, builds the README's examples against it and runs
# them: in C++, in C and, where the module was built, in Python with the interpreter PYTHON.
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Writes the README's only block in that language to WORK/readme/readme.SUFFIX.
file(READ ${SOURCE}/README.md readme)
function(extract language suffix)
  set(fence "\n```${language}\n")
  string(FIND "${readme}" "${fence}" first)
  string(FIND "${readme}" "${fence}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "README.md: expected one block of ${language}")
  endif()
  string(LENGTH "${fence}" length)
  math(EXPR start "${first} + ${length}")
  string(SUBSTRING "${readme}" ${start} -1 text)
  string(FIND "${text}" "\n```" end)
  string(SUBSTRING "${text}" 0 ${end} text)
  file(WRITE ${WORK}/readme/readme.${suffix} "${text}\n")
endfunction()

file(REMOVE_RECURSE ${WORK})
extract(cmake cmake)
extract(cpp cpp)
extract(c c)
extract(python py)
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
    -DCMAKE_PREFIX_PATH=${WORK}/moved -DREADME=${WORK}/readme ${options})
run(${CMAKE_COMMAND} --build ${WORK}/build)
if(WHOLE)
  run(${WORK}/build/whole_consumer)
endif()

# Every language gives the same answer.
execute_process(COMMAND ${WORK}/build/my_program OUTPUT_VARIABLE expected COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "README example: ${expected}")
if(NOT expected MATCHES "^[1-9][0-9]* cycles, [1-9][0-9.]* pJ\n$")
  message(FATAL_ERROR "unexpected answer")
endif()
function(expect_same)
  execute_process(COMMAND ${ARGV} OUTPUT_VARIABLE answer COMMAND_ERROR_IS_FATAL ANY)
  if(NOT answer STREQUAL expected)
    message(FATAL_ERROR "${ARGV}: answers ${answer}instead of ${expected}")
  endif()
endfunction()
expect_same(${WORK}/build/c_consumer)
if(PYTHON)
  expect_same(${CMAKE_COMMAND} -E env PYTHONPATH=${WORK}/moved/lib/python3/dist-packages
              ${PYTHON} ${WORK}/readme/readme.py)
endif()

# A project without C++ is told what to do.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer/c_only -B ${WORK}/c_only
                        -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${WORK}/moved
                RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE text)
if(status EQUAL 0 OR NOT text MATCHES "LANGUAGES C CXX")
  message(FATAL_ERROR "a project in C alone gets no helpful message: ${text}")
endif()
