# Settings that all of the project's targets share: language level, warnings, sanitizers, ccache.
#
#   qarax_library(NAME [INCLUDE folder] SOURCES … PUBLIC deps… PRIVATE deps…)  static library qarax_NAME, alias qarax::NAME
#   qarax_program(NAME SOURCES … LIBS …)                                      an executable, installed into bin
#   qarax_fuzz(NAME SOURCES … LIBS …)            NAME_fuzz, a libFuzzer program; its seeds are in fuzz_seeds/NAME, if any
#   qarax_test(NAME SOURCES … LIBS … [LABELS …] [DEFINES …] [DEPENDS …])       a GoogleTest program, one CTest entry each
include_guard(GLOBAL)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

find_program(QARAX_CCACHE ccache)
if(QARAX_CCACHE)
  # ccache needs these settings to cache objects that were compiled with precompiled headers.
  set(qarax_launcher env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${QARAX_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${qarax_launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${qarax_launcher})
endif()

add_library(qarax_flags INTERFACE)
target_compile_options(qarax_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers -Werror)
# GCC 12 at -O2 wrongly reports uninitialised strings inside std::variant (GCC bug 105562 and similar ones).
target_compile_options(qarax_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
# Joined sources (see below) look like one that includes the others, and a class that only its own source knows like one of a
# header, which must not have members from an unnamed namespace.
if(CMAKE_UNITY_BUILD)
  target_compile_options(qarax_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
# -Wnon-virtual-dtor exists for C++ only, so C targets use qarax_c_flags.
add_library(qarax_c_flags INTERFACE)
target_compile_options(qarax_c_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Werror)

# The tree is free of warnings with the GCC of Debian 12; clang's other warnings must not fail the fuzzers' build.
if(QARAX_FUZZ)
  target_compile_options(qarax_flags INTERFACE -Wno-error)
  target_compile_options(qarax_c_flags INTERFACE -Wno-error)
endif()

# Precompile the headers of the standard library, and GoogleTest's for the tests, which saves a quarter of the time to build
# the whole tree. No header of the project is among them.
#
# The presets for building the whole tree (test, release, asan, tsan, fuzz) also join eight sources at a time (CMake's unity
# build), which takes half the time; dev compiles each alone, so that a change of one is soon compiled. A source that forgets
# an #include is found by clang-tidy, which looks at each alone and without precompiled headers.
set(qarax_pch OFF)
if(QARAX_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT QARAX_FUZZ)
  set(qarax_pch ON)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # ccache needs it
  # GCC 12 gives these wrong warnings about the inside of std::string also for precompiled headers. They still appear with
  # QARAX_PRECOMPILE=OFF and -O2.
  target_compile_options(qarax_flags INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
    -Wno-stringop-overread)
  # Poco's packages define these macros. GCC accepts a precompiled header only with the macros that it was made with, so
  # define them for all targets. They have no other effect, as g++ defines _GNU_SOURCE and file sizes have 64 bits here.
  foreach(macro _FILE_OFFSET_BITS=64 _LARGEFILE64_SOURCE _REENTRANT _THREAD_SAFE _XOPEN_SOURCE=500)
    add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:${macro}>)
  endforeach()
endif()
set(qarax_pch_headers <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint> <deque> <filesystem>
  <fstream> <functional> <future> <map> <memory> <mutex> <optional> <set> <string> <string_view> <thread> <unordered_map>
  <utility> <variant> <vector>)

# GCC accepts precompiled headers only if they were compiled like the target: position-independent code differs between
# libraries and programs, so each kind has its own.
function(qarax_precompile TARGET)
  get_target_property(type ${TARGET} TYPE)
  if(NOT qarax_pch)
    return()
  elseif(type STREQUAL EXECUTABLE)
    set(pch qarax_test_pch)
    set(headers ${qarax_pch_headers} <gmock/gmock.h> <gtest/gtest.h>)
  else()
    set(pch qarax_library_pch)
    set(headers ${qarax_pch_headers})
  endif()
  if(NOT TARGET ${pch})
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${pch}.cpp CONTENT "int main() {}\n")
    if(type STREQUAL EXECUTABLE)
      add_executable(${pch} EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/${pch}.cpp)
      target_link_libraries(${pch} PRIVATE qarax_deps::gtest qarax_deps::gmock)
    else()
      add_library(${pch} STATIC EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/${pch}.cpp)
    endif()
    target_link_libraries(${pch} PRIVATE qarax_flags)
    target_precompile_headers(${pch} PRIVATE ${headers})
  endif()
  target_precompile_headers(${TARGET} REUSE_FROM ${pch})
endfunction()

if(QARAX_SANITIZE)
  add_compile_options(-fsanitize=${QARAX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${QARAX_SANITIZE})
endif()

# With QARAX_FUZZ everything is instrumented for the fuzzers, which needs clang; scripts/test.sh fuzz uses it.
if(QARAX_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "QARAX_FUZZ needs clang: cmake --preset fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
  add_custom_target(qarax_fuzzers)
endif()

function(qarax_fuzz NAME)
  if(NOT QARAX_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${NAME}_fuzz ${A_SOURCES})
  target_link_libraries(${NAME}_fuzz PRIVATE qarax_flags ${A_LIBS})
  target_link_options(${NAME}_fuzz PRIVATE -fsanitize=fuzzer)
  set_target_properties(${NAME}_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  add_dependencies(qarax_fuzzers ${NAME}_fuzz)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_seeds/${NAME})
    add_custom_command(TARGET ${NAME}_fuzz POST_BUILD COMMAND ${CMAKE_COMMAND} -E copy_directory
      ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_seeds/${NAME} ${CMAKE_BINARY_DIR}/fuzz/${NAME}_seeds)
  endif()
endfunction()

function(qarax_library NAME)
  cmake_parse_arguments(A "" "INCLUDE" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(qarax_${NAME} STATIC ${A_SOURCES})
  add_library(qarax::${NAME} ALIAS qarax_${NAME})
  if(A_INCLUDE)
    target_include_directories(qarax_${NAME} PUBLIC ${A_INCLUDE})
  endif()
  target_link_libraries(qarax_${NAME} PUBLIC ${A_PUBLIC} PRIVATE qarax_flags ${A_PRIVATE})
  qarax_precompile(qarax_${NAME})
endfunction()

function(qarax_program NAME)
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${NAME} ${A_SOURCES})
  target_link_libraries(${NAME} PRIVATE qarax_flags ${A_LIBS})
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  install(TARGETS ${NAME} RUNTIME DESTINATION bin)
endfunction()

# Builds what ThreadSanitizer is run on: the tests with the label tsan and their dependencies.
add_custom_target(qarax_tsan_tests)

# Gives every test of the tree temp_folder.hpp and fake_clock.hpp.
add_library(qarax_test_tools INTERFACE)
target_include_directories(qarax_test_tools INTERFACE ${PROJECT_SOURCE_DIR}/plugin-sdk/testing ${PROJECT_SOURCE_DIR}/core/testing)

function(qarax_test NAME)
  if(NOT QARAX_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;LIBS;LABELS;DEFINES;DEPENDS" ${ARGN})
  add_executable(${NAME} ${A_SOURCES})
  target_link_libraries(${NAME} PRIVATE qarax_flags ${A_LIBS} qarax_test_tools qarax_deps::gtest qarax_deps::gmock)
  target_compile_definitions(${NAME} PRIVATE ${A_DEFINES})
  qarax_precompile(${NAME})
  if(A_DEPENDS)
    add_dependencies(${NAME} ${A_DEPENDS})
  endif()
  add_test(NAME ${NAME} COMMAND ${NAME})
  # The timeout is for tests that hang. On a slow disk or under ThreadSanitizer the store's tests alone take minutes.
  set_tests_properties(${NAME} PROPERTIES TIMEOUT 600 LABELS "${A_LABELS}")
  if("tsan" IN_LIST A_LABELS)
    add_dependencies(qarax_tsan_tests ${NAME})
  endif()
endfunction()
