# cmake -D NM=... -D OBJECTS=a.o,b.o,... -P kernel_sets.cmake
# The objects that are compiled for a processor of their own define no symbol of which the linker
# might give their copy to the rest of the program (W, V, u: inline functions, templates).
string(REPLACE "," ";" objects "${OBJECTS}")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --defined-only ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  if(NOT symbols MATCHES " [TDR] ")
    message(FATAL_ERROR "${object} defines nothing; nm says:\n${symbols}")
  endif()
  string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" shared "${symbols}")
  if(shared)
    message(FATAL_ERROR "${object} shares code with the rest of the program: ${shared}")
  endif()
endforeach()
