# qarax_add_plugin(<name> KIND hypervisor SOURCES … [TESTS …] [LIBS …] [TEST_LIBS …] [CHECK …] [EXAMPLE])
#
#   qarax_plugin_<name>_logic   static library of every source but plugin.cpp (or plugin.c): what the tests link
#   qarax_plugin_<name>         the module <name>.so in ${CMAKE_BINARY_DIR}/plugins, installed to lib/qarax/plugins
#                               (EXAMPLE: stays in its own binary folder, isn't installed)
#   qarax_plugin_<name>_test    GoogleTest binary of TESTS, one CTest entry
#   qarax_plugin_<name>_load    CTest entry: the file passes the host's handshake, with the `config` of the plugin's
#                               conformance.yaml, if its folder has one, and what CHECK says of it (--set MEMBER=VALUE)
#   qarax_plugin_<name>_conformance   CTest entry: qarax-plugin-check with the arguments CHECK and, if the plugin's folder
#                               has one, its conformance.yaml: so no plugin is added untested. The report is
#                               ${CMAKE_BINARY_DIR}/conformance/<name>.json
#
# LIBS must be static or header-only: the plugin's file contains all that it needs. A plugin links the SDK and nothing
# else of qarax; anything else of qarax, gRPC, Protobuf or Poco in its link line stops the configure.
include_guard(GLOBAL)

function(qarax_add_plugin NAME)
  cmake_parse_arguments(A "EXAMPLE" "KIND" "SOURCES;TESTS;LIBS;TEST_LIBS;CHECK" ${ARGN})
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "qarax_add_plugin(${NAME}): unknown arguments: ${A_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT NAME MATCHES "^[a-z][a-z0-9_]*$")
    message(FATAL_ERROR "qarax_add_plugin(${NAME}): a plugin's name is [a-z][a-z0-9_]*, as its short name is")
  endif()
  if(NOT A_KIND STREQUAL "hypervisor")
    message(FATAL_ERROR "qarax_add_plugin(${NAME}): KIND must be hypervisor (storage and network are drafts)")
  endif()

  set(entry ${A_SOURCES})
  list(FILTER entry INCLUDE REGEX "(^|/)plugin\\.(c|cpp|cc)$")
  set(logic ${A_SOURCES})
  list(FILTER logic EXCLUDE REGEX "(^|/)plugin\\.(c|cpp|cc)$")
  if(NOT entry)
    message(FATAL_ERROR "qarax_add_plugin(${NAME}): SOURCES needs plugin.cpp (or plugin.c) with the export line")
  endif()

  # Within qarax's tree its warning flags apply; a build outside the tree keeps its own.
  set(flags)
  if(TARGET qarax_flags)
    set(flags qarax_flags)
    if(NOT "${A_SOURCES}" MATCHES "\\.(cpp|cc|cxx)(;|$)")
      set(flags qarax_c_flags)
    endif()
  endif()

  if(logic)
    add_library(qarax_plugin_${NAME}_logic STATIC ${logic})
    set_target_properties(qarax_plugin_${NAME}_logic PROPERTIES POSITION_INDEPENDENT_CODE ON
      C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    target_include_directories(qarax_plugin_${NAME}_logic PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(qarax_plugin_${NAME}_logic PUBLIC qarax::plugin_sdk ${A_LIBS})
    target_link_libraries(qarax_plugin_${NAME}_logic PRIVATE ${flags})
    target_compile_features(qarax_plugin_${NAME}_logic PUBLIC cxx_std_20)
    set(libs qarax_plugin_${NAME}_logic)
  else()
    set(libs ${A_LIBS})
  endif()

  add_library(qarax_plugin_${NAME} MODULE ${entry})
  qarax_plugin_link_options(qarax_plugin_${NAME})
  set_target_properties(qarax_plugin_${NAME} PROPERTIES OUTPUT_NAME ${NAME})
  if(NOT A_EXAMPLE)
    set_target_properties(qarax_plugin_${NAME} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    install(TARGETS qarax_plugin_${NAME} LIBRARY DESTINATION lib/qarax/plugins)
  endif()
  target_link_libraries(qarax_plugin_${NAME} PRIVATE qarax::plugin_sdk ${libs} ${flags})
  target_compile_features(qarax_plugin_${NAME} PRIVATE cxx_std_20)

  # Deferred to the end of the configure, when every target exists and no link can be added any more.
  cmake_language(EVAL CODE
    "cmake_language(DEFER DIRECTORY [[${CMAKE_SOURCE_DIR}]] CALL qarax_check_plugin_links ${NAME})")

  qarax_plugin_tests(${NAME} "${A_TESTS}" "${libs}" "${A_TEST_LIBS}")
  qarax_plugin_load(${NAME} ${A_CHECK})
  qarax_plugin_conformance(${NAME} "${A_EXAMPLE}" ${A_CHECK})
endfunction()

# Makes a module safe to load beside others: it exports one symbol, has every symbol resolved, and is never unloaded.
function(qarax_plugin_link_options TARGET)
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  set_target_properties(${TARGET} PROPERTIES PREFIX "" SUFFIX .so POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${map})
  target_link_options(${TARGET} PRIVATE -Wl,--version-script=${map} -Wl,-z,nodelete -Wl,-z,now
    -Wl,--exclude-libs,ALL)
  # No -z defs with a sanitizer: its runtime is in the program, which alone resolves those symbols of the module.
  if(NOT QARAX_SANITIZE AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS}" MATCHES "-fsanitize")
    target_link_options(${TARGET} PRIVATE -Wl,-z,defs)
  endif()
endfunction()

function(qarax_plugin_tests NAME TESTS LIBS TEST_LIBS)
  if(DEFINED QARAX_TESTS AND NOT QARAX_TESTS)
    return()
  endif()
  if(TESTS)
    if(NOT TARGET GTest::gtest_main)
      find_package(GTest 1.12 REQUIRED)
    endif()
    add_executable(qarax_plugin_${NAME}_test ${TESTS})
    target_link_libraries(qarax_plugin_${NAME}_test PRIVATE ${LIBS} qarax::plugin_sdk ${TEST_LIBS}
      GTest::gtest_main GTest::gmock $<TARGET_NAME_IF_EXISTS:qarax_flags>)
    target_compile_definitions(qarax_plugin_${NAME}_test PRIVATE
      QARAX_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}" QARAX_PLUGIN_FILE="$<TARGET_FILE:qarax_plugin_${NAME}>")
    add_test(NAME qarax_plugin_${NAME}_test COMMAND qarax_plugin_${NAME}_test)
    set_tests_properties(qarax_plugin_${NAME}_test PROPERTIES TIMEOUT 180)
  endif()
endfunction()

function(qarax_plugin_load NAME)
  if(DEFINED QARAX_TESTS AND NOT QARAX_TESTS)
    return()
  endif()
  set(check ${QARAX_PLUGIN_LOAD_CHECK})
  if(NOT check AND QARAX_IN_TREE)
    set(check ${CMAKE_BINARY_DIR}/bin/qarax-plugin-load-check)
  endif()
  # A plugin whose config_schema requires a member is refused without one, by a node as well as here.
  set(config)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/conformance.yaml)
    set(config --settings ${CMAKE_CURRENT_SOURCE_DIR}/conformance.yaml)
  endif()
  set(before "")
  foreach(argument IN LISTS ARGN)
    if("${before}" STREQUAL "--set")
      list(APPEND config --set "${argument}")
    endif()
    set(before "${argument}")
  endforeach()
  if(check)
    add_test(NAME qarax_plugin_${NAME}_load COMMAND ${check} ${config} $<TARGET_FILE:qarax_plugin_${NAME}>)
    set_tests_properties(qarax_plugin_${NAME}_load PROPERTIES TIMEOUT 60)
  else()
    message(STATUS "qarax_add_plugin(${NAME}): qarax-plugin-load-check isn't installed, so ${NAME}.so isn't load-tested")
  endif()
endfunction()

function(qarax_plugin_conformance NAME EXAMPLE)
  if(DEFINED QARAX_TESTS AND NOT QARAX_TESTS)
    return()
  endif()
  set(kit ${QARAX_PLUGIN_CHECK})
  if(NOT kit AND QARAX_IN_TREE)
    set(kit ${CMAKE_BINARY_DIR}/bin/qarax-plugin-check)
  endif()
  if(NOT kit)
    message(STATUS "qarax_add_plugin(${NAME}): qarax-plugin-check isn't installed, so ${NAME}.so isn't tested for conformance")
    return()
  endif()
  set(report ${CMAKE_BINARY_DIR}/conformance/${NAME}.json)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/conformance)
  set(config)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/conformance.yaml)
    set(config --config ${CMAKE_CURRENT_SOURCE_DIR}/conformance.yaml)
  endif()
  add_test(NAME qarax_plugin_${NAME}_conformance
    COMMAND ${kit} $<TARGET_FILE:qarax_plugin_${NAME}> ${config} ${ARGN} --patience 5 --report ${report})
  # Some rules demand an answer at once, so the test has a small machine to itself. 77: no VM can be tried here.
  set_tests_properties(qarax_plugin_${NAME}_conformance PROPERTIES TIMEOUT 300 PROCESSORS 2 SKIP_RETURN_CODE 77)
  if(NOT EXAMPLE)
    set_tests_properties(qarax_plugin_${NAME}_conformance PROPERTIES FIXTURES_SETUP qarax_conformance_reports)
    set_property(GLOBAL APPEND PROPERTY QARAX_CONFORMANCE_REPORTS ${report})
  endif()
endfunction()

# ---- the rule that a plugin links the SDK and nothing else of qarax ----

function(qarax_check_plugin_links NAME)
  set(seen)
  foreach(target qarax_plugin_${NAME} qarax_plugin_${NAME}_logic)
    if(TARGET ${target})
      qarax_walk_links(${NAME} ${target})
    endif()
  endforeach()
endfunction()

# Reads and extends the caller's `seen`.
function(qarax_walk_links NAME node)
  if(node IN_LIST seen)
    return()
  endif()
  list(APPEND seen ${node})
  get_target_property(type ${node} TYPE)
  set(all)
  set(properties INTERFACE_LINK_LIBRARIES)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    list(APPEND properties LINK_LIBRARIES)
  endif()
  foreach(property ${properties})
    get_target_property(libraries ${node} ${property})
    if(libraries)
      list(APPEND all ${libraries})
    endif()
  endforeach()
  foreach(library IN LISTS all)
    # Strip "$<LINK_ONLY:x>" and the directory ids that CMake adds for a target_link_libraries from another folder.
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" library "${library}")
    string(REGEX REPLACE "::@.*$" "" library "${library}")
    if(TARGET "${library}")
      get_target_property(real ${library} ALIASED_TARGET)
      if(real)
        set(library ${real})
      endif()
    endif()
    if(library MATCHES "^qarax(_|::)" AND
       NOT library MATCHES "^(qarax_flags|qarax_c_flags|qarax_plugin_sdk|qarax::plugin_sdk|qarax_plugin_helpers|qarax::plugin_helpers|qarax_plugin_sdk_.*|qarax_plugin_${NAME}_logic|qarax_dep_(threads|gtest|gmock|openssl|zstd|lz4)|qarax_deps::(threads|gtest|gmock|openssl|zstd|lz4))$")
      message(FATAL_ERROR
        "plugin ${NAME} links ${library} (through ${node}): a plugin links qarax::plugin_sdk and nothing else of "
        "qarax, nor gRPC, Protobuf or Poco; what it shares with the host goes through the SDK's headers")
    endif()
    if(library MATCHES "^(Poco::|gRPC::|protobuf::|PkgConfig::GRPC)")
      message(FATAL_ERROR
        "plugin ${NAME} links ${library} (through ${node}): Poco, gRPC and Protobuf clash with the host's own copies "
        "when they are loaded into it; use the SDK's JSON and plain sockets")
    endif()
    if(TARGET "${library}" AND NOT library MATCHES "^GTest::")
      qarax_walk_links(${NAME} ${library})
    endif()
  endforeach()
  set(seen ${seen} PARENT_SCOPE)
endfunction()
