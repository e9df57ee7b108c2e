# Language level, warnings, sanitizers and tools for every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Line tables only: a crash in the field names its lines, and the build stays small.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(RENDERCAR_SANITIZE "" CACHE STRING "Comma-separated sanitizers for every target (address,undefined or thread)")
option(RENDERCAR_FUZZ "Build the libFuzzer harnesses (clang only)" OFF)
option(RENDERCAR_TIDY "Run clang-tidy beside the compiler" OFF)

find_program(RENDERCAR_CCACHE ccache)
if(RENDERCAR_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${RENDERCAR_CCACHE}")
endif()
if(RENDERCAR_TIDY)
  find_program(RENDERCAR_CLANG_TIDY clang-tidy REQUIRED)
endif()

# Everything of ours links this target; third-party code never sees it.
add_library(rendercar_build_flags INTERFACE)
target_compile_definitions(rendercar_build_flags INTERFACE _GLIBCXX_ASSERTIONS _FILE_OFFSET_BITS=64)
target_compile_options(rendercar_build_flags INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wconversion -Wshadow -Werror -fstack-protector-strong -fno-omit-frame-pointer)
# By -Wconversion both compilers then mean what gcc means: a change of sign alone is none.
target_compile_options(rendercar_build_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)
target_include_directories(rendercar_build_flags INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")
if(RENDERCAR_SANITIZE)
  # The sanitizers must also reach third-party-facing glue, so they are global.
  add_compile_options(-fsanitize=${RENDERCAR_SANITIZE} -fno-sanitize-recover=all -g1)
  # Its check opens a pipe, and takes every object for a wrong one in tests that leave no descriptors.
  add_compile_options(-fno-sanitize=vptr)
  add_link_options(-fsanitize=${RENDERCAR_SANITIZE})
endif()
if(RENDERCAR_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc's ThreadSanitizer does not model fences and says so; a race that it misreports for that is seen when it runs.
  add_compile_options(-Wno-tsan)
endif()
if(RENDERCAR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
