# cmake -D BUILD=... -D SOURCE=... -D WORK=... -D GENERATOR=... -D WHOLE=ON|OFF [-D PYTHON=...]
#       -P run.cmake
# Installs the build tree BUILD into WORK/prefix, builds the README's examples against it and runs
# them: in C++, in C and, where the module was built, in Python with the interpreter PYTHON. With
# WHOLE also what is in examples/.
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

# Runs a command whose output is to match the regular expression; `answer` is the output.
function(expect_match regex)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  message(STATUS "${ARGN}:\n${text}")
  if(NOT text MATCHES "${regex}")
    message(FATAL_ERROR "expected what matches ${regex}")
  endif()
  set(answer "${text}" PARENT_SCOPE)
endfunction()

# Every language gives the same answer.
function(expect_same expected)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  if(NOT text STREQUAL expected)
    message(FATAL_ERROR "${ARGN}: answers\n${text}instead of\n${expected}")
  endif()
endfunction()
set(python ${CMAKE_COMMAND} -E env PYTHONPATH=${WORK}/moved/lib/python3/dist-packages ${PYTHON})
expect_match("^[1-9][0-9]* cycles, [1-9][0-9.]* pJ\n$" ${WORK}/build/my_program)
expect_same("${answer}" ${WORK}/build/c_consumer)
if(PYTHON)
  expect_same("${answer}" ${python} ${WORK}/readme/readme.py)
endif()
if(WHOLE)
  include(${CMAKE_CURRENT_LIST_DIR}/examples.cmake)
endif()

# A project without C++ is told what to do.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer/c_only -B ${WORK}/c_only
                        -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${WORK}/moved
                RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE text)
if(status EQUAL 0 OR NOT text MATCHES "LANGUAGES C CXX")
  message(FATAL_ERROR "a project in C alone gets no helpful message: ${text}")
endif()
