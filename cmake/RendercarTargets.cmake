# Functions that declare a module, a program, a test, a benchmark and a fuzzer in one line each.

function(_rendercar_setup target)
  target_link_libraries(${target} PRIVATE rendercar_build_flags)
  if(RENDERCAR_TIDY)
    set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "${RENDERCAR_CLANG_TIDY};--quiet")
  endif()
endfunction()

# rendercar_library(NAME SRCS a.cc ... [DEPS public...] [PRIVATE_DEPS private...]) -> rendercar::NAME
function(rendercar_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  if(ARG_SRCS)
    add_library(rendercar_${name} STATIC ${ARG_SRCS})
    _rendercar_setup(rendercar_${name})
    target_link_libraries(rendercar_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  else()
    add_library(rendercar_${name} INTERFACE)
    target_link_libraries(rendercar_${name} INTERFACE ${ARG_DEPS})
  endif()
  add_library(rendercar::${name} ALIAS rendercar_${name})
endfunction()

# Every program, without tests and benchmarks: what a user needs.
add_custom_target(programs)

# rendercar_program(NAME SRCS ... DEPS ...) -> build/<preset>/bin/NAME; RendercarPackaging.cmake says what is installed.
function(rendercar_program name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  _rendercar_setup(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  add_dependencies(programs ${name})
endfunction()

# A guard against tests that hang, not a measurement: what sanitizers slow down gets more.
function(_rendercar_timeout test seconds)
  if(RENDERCAR_SANITIZE)
    math(EXPR seconds "${seconds} * 5")
  endif()
  set_tests_properties(${test} PROPERTIES TIMEOUT ${seconds})
endfunction()

# rendercar_test(NAME SRCS x_test.cc ... DEPS ... [TIMEOUT s]): a GoogleTest binary, ctest label "check".
# The whole binary is one ctest entry, so that a run stays quick and its summary short.
function(rendercar_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SRCS})
  _rendercar_setup(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS check)
  _rendercar_timeout(${name} ${ARG_TIMEOUT})
endfunction()

# rendercar_bench(NAME SRCS ... DEPS ...): a Google Benchmark program; ctest runs one short round of it.
function(rendercar_bench name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  _rendercar_setup(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark benchmark::benchmark_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
  add_test(NAME ${name} COMMAND ${name} --benchmark_min_time=0.001)
  # The library exits with 0 also after state.SkipWithError.
  set_tests_properties(${name} PROPERTIES LABELS "check;bench" TIMEOUT 120 FAIL_REGULAR_EXPRESSION "ERROR OCCURRED")
endfunction()

# Every fuzzer: what the fuzz preset builds.
add_custom_target(fuzzers)

# rendercar_fuzzer(NAME SRCS x_fuzz.cc CORPUS dir DEPS ...): libFuzzer under the fuzz preset; everywhere else
# the same harness with a main that replays the corpus, as a test.
function(rendercar_fuzzer name)
  cmake_parse_arguments(ARG "" "CORPUS" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  _rendercar_setup(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  add_dependencies(fuzzers ${name})
  if(RENDERCAR_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    # What it finds goes beside the build; the checked-in corpus grows by hand (docs/testing.md).
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/corpus/${name}")
    add_test(NAME ${name} COMMAND ${name} -runs=20000 -max_total_time=20
      "${CMAKE_BINARY_DIR}/corpus/${name}" "${ARG_CORPUS}")
  else()
    target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz_replay_main.cc")
    add_test(NAME ${name} COMMAND ${name} "${ARG_CORPUS}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "check;fuzz")
  _rendercar_timeout(${name} 120)
endfunction()

# rendercar_proto(NAME PROTOS file.proto ... [GRPC] [DEPS ...]) -> rendercar::NAME; one library a foreign package, so that
# short package names ("v1", "v1beta1") never meet in one target. Paths are relative to proto/.
function(rendercar_proto name)
  cmake_parse_arguments(ARG "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(out "${CMAKE_BINARY_DIR}/generated")
  file(MAKE_DIRECTORY "${out}")
  set(generated)
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(files "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h")
    set(args --cpp_out=${out})
    if(ARG_GRPC)
      list(APPEND files "${out}/${stem}.grpc.pb.cc" "${out}/${stem}.grpc.pb.h")
      list(APPEND args --grpc_out=${out} "--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>")
    endif()
    add_custom_command(OUTPUT ${files}
      COMMAND protobuf::protoc -I "${CMAKE_SOURCE_DIR}/proto" -I /usr/include ${args} "${CMAKE_SOURCE_DIR}/proto/${proto}"
      DEPENDS "${CMAKE_SOURCE_DIR}/proto/${proto}" VERBATIM)
    list(APPEND generated ${files})
  endforeach()
  add_library(rendercar_${name} STATIC ${generated})
  target_include_directories(rendercar_${name} SYSTEM PUBLIC "${out}")
  target_link_libraries(rendercar_${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(rendercar_${name} PUBLIC gRPC::grpc++)
  endif()
  add_library(rendercar::${name} ALIAS rendercar_${name})
endfunction()
