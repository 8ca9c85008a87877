# Part of run.cmake: builds examples/ against the installed package, runs all of it and looks at what
# it prints.
run(${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${WORK}/examples -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_PREFIX_PATH=${WORK}/moved "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror"
    "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror")
run(${CMAKE_COMMAND} --build ${WORK}/examples)

# predict: the first of two layers is most of the network, and both are more than the first.
set(examples_regex "^network: ([0-9]+) cycles, [1-9][0-9]*\\.[0-9] pJ\n([0-9]+x [a-z_.]+: [0-9]+ cycles\n)+$")
expect_match("${examples_regex}" ${WORK}/examples/predict_cpp)
set(prediction "${answer}")
string(REGEX MATCH "network: ([0-9]+)" _ "${prediction}")
set(network ${CMAKE_MATCH_1})
string(REGEX MATCHALL "[a-z_.]+: [0-9]+ cycles\n" parts "${prediction}")
list(POP_FRONT parts)
set(layer 0)
foreach(part IN LISTS parts)
  string(REGEX MATCH "[0-9]+" cycles "${part}")
  math(EXPR layer "${layer} + ${cycles}")
endforeach()
math(EXPR half "${network} / 2")
if(NOT prediction MATCHES "\n4x attention.scores: " OR NOT layer GREATER half OR
   NOT layer LESS network)
  message(FATAL_ERROR "predict_cpp: the first layer has ${layer} of ${network} cycles")
endif()
expect_same("${prediction}" ${WORK}/examples/predict_c)
if(PYTHON)
  # The batch has this network as its fourth: from the third to it there is a head more, and the
  # last lacks a layer.
  expect_match("batch: ([0-9]+ )+[0-9]+\n$" ${python} ${SOURCE}/examples/predict.py)
  string(REGEX MATCH "batch: ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+)\n$" batch "${answer}")
  if(NOT answer STREQUAL "${prediction}${batch}" OR NOT CMAKE_MATCH_4 EQUAL network OR
     NOT CMAKE_MATCH_1 LESS CMAKE_MATCH_2 OR NOT CMAKE_MATCH_2 LESS CMAKE_MATCH_3 OR
     NOT CMAKE_MATCH_3 LESS CMAKE_MATCH_4 OR NOT CMAKE_MATCH_5 LESS CMAKE_MATCH_4)
    message(FATAL_ERROR "predict.py: not what predict_cpp answers")
  endif()
endif()
# Both give the library's reason when asked for hardware that is not there.
foreach(program predict_cpp predict_c)
  execute_process(COMMAND ${WORK}/examples/${program} gemini_cnn RESULT_VARIABLE status
                  ERROR_VARIABLE text OUTPUT_QUIET)
  if(NOT status EQUAL 1 OR NOT text MATCHES "gemmini_cnn")
    message(FATAL_ERROR "${program}: status ${status}, ${text}")
  endif()
endforeach()

# external_algorithm: at most as many networks, more of the front.
set(line "([0-9]+) networks priced, ([0-9]+) on the front, hypervolume (0\\.[0-9]+)\n")
expect_match("^Pareto local search: ${line}random search: ${line}$"
             ${WORK}/examples/external_algorithm)
string(REGEX MATCH "^Pareto local search: ${line}random search: ${line}$" _ "${answer}")
if(NOT CMAKE_MATCH_4 EQUAL 2000 OR CMAKE_MATCH_1 GREATER CMAKE_MATCH_4 OR
   NOT CMAKE_MATCH_2 GREATER CMAKE_MATCH_5 OR NOT CMAKE_MATCH_3 GREATER CMAKE_MATCH_6)
  message(FATAL_ERROR "external_algorithm: no better than random search")
endif()

# own_hardware: one network is simulated, the predictor is as good as its check asks, and the front is
# what is exported. The networks on it depend on the processor, what they cost does not: where the
# first one is among them, it costs what it did alone.
set(folder ${WORK}/own_hardware)
expect_match("60 of 60 networks evaluated, [1-9][0-9]* on the front"
             ${CMAKE_COMMAND} -E env "PATH=${WORK}/moved/bin:$ENV{PATH}"
             ${SOURCE}/examples/own_hardware/run.sh ${folder})
string(REGEX MATCH "([0-9]+) on the front" _ "${answer}")
set(members ${CMAKE_MATCH_1})
file(GLOB weights ${folder}/search/export/*.safetensors)
list(LENGTH weights exported)
if(members LESS 3 OR NOT members EQUAL exported OR NOT EXISTS ${folder}/edge.predictor)
  message(FATAL_ERROR "own_hardware: ${members} on the front, ${exported} exported")
endif()
string(REGEX MATCH "length 48 .prefill[^\n]* on [^\n]*edge.json\n.*\ntotal +([0-9]+) " _ "${answer}")
set(alone ${CMAKE_MATCH_1})
string(REGEX MATCH " ([0-9]+) +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+  d=48 h=.2,1. f=.64,32.\n" member
       "${answer}")
if(NOT alone GREATER 10000 OR (member AND NOT CMAKE_MATCH_1 EQUAL alone))
  message(FATAL_ERROR "own_hardware: ${alone} cycles alone; as a member:${member}")
endif()
