# Does what a plugin author does: installs the SDK alone, builds the template against it and loads the result. Also checks
# that a plugin can't link other libraries of qarax. cmake -DSDK=… -DWORK=… -DBIN=… -DCXX=… -DCC=… -P out_of_tree.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${code}\n${out}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
set(compilers -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})
run(${CMAKE_COMMAND} -S ${SDK} -B ${WORK}/sdk -G Ninja ${compilers} -DCMAKE_INSTALL_PREFIX=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/sdk)
run(${CMAKE_COMMAND} --install ${WORK}/sdk)
file(COPY ${WORK}/prefix/share/qarax/plugin-sdk/template DESTINATION ${WORK})
foreach(template "" /c)
  run(${CMAKE_COMMAND} -S ${WORK}/template${template} -B ${WORK}/build${template} -G Ninja ${compilers}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix -DQARAX_PLUGIN_LOAD_CHECK=${BIN}/qarax-plugin-load-check
    -DQARAX_PLUGIN_CHECK=${BIN}/qarax-plugin-check)
  run(${CMAKE_COMMAND} --build ${WORK}/build${template})
  run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build${template} --output-on-failure --no-tests=error)
endforeach()

# A plugin whose config has a required member passes its load test with the config of its conformance.yaml, or of CHECK.
file(READ ${WORK}/template/plugin.cpp plugin)
string(REPLACE " public:\n" " public:\n  static constexpr std::string_view kConfigSchema =\n      R\"({\"type\":\"object\",\"properties\":{\"place\":{\"type\":\"string\"},\"number\":{\"type\":\"integer\"}},\"required\":[\"place\",\"number\"]})\";\n"
  plugin "${plugin}")
file(WRITE ${WORK}/template/plugin.cpp "${plugin}")
file(WRITE ${WORK}/template/conformance.yaml "config: {place: here}\n")
file(READ ${WORK}/template/CMakeLists.txt lists)
string(REPLACE "SOURCES plugin.cpp" "SOURCES plugin.cpp CHECK --set number=3" lists "${lists}")
file(WRITE ${WORK}/template/CMakeLists.txt "${lists}")
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure --no-tests=error -R _load)

# Everything that the installed pages link to must be installed.
file(GLOB_RECURSE pages ${WORK}/prefix/share/qarax/plugin-sdk/*.md)
foreach(page IN LISTS pages)
  file(READ ${page} text)
  get_filename_component(folder ${page} DIRECTORY)
  string(REPLACE "](" "@" text "${text}")
  string(REGEX REPLACE "[][;]" "" text "${text}")  # characters with a meaning in lists
  string(REGEX MATCHALL "@[^):#]+\\)" links "${text}")
  foreach(link IN LISTS links)
    string(REGEX REPLACE "^@(.*).$" "\\1" link "${link}")
    if(NOT EXISTS ${folder}/${link})
      message(FATAL_ERROR "${page} links to ${link}, which isn't installed")
    endif()
  endforeach()
endforeach()

# A plugin that links other libraries of qarax, or Poco, must fail to configure, with the reason.
foreach(library "qarax::core" "Poco::Net")
  file(WRITE ${WORK}/wrong/plugin.cpp "\n")
  file(WRITE ${WORK}/wrong/CMakeLists.txt
    "cmake_minimum_required(VERSION 3.25)\nproject(wrong LANGUAGES C CXX)\nfind_package(qarax-plugin-sdk REQUIRED)\n"
    "add_library(${library} INTERFACE IMPORTED)\nadd_library(indirect INTERFACE)\n"
    "qarax_add_plugin(wrong KIND hypervisor SOURCES plugin.cpp LIBS indirect)\n"
    "target_link_libraries(indirect INTERFACE ${library})\n")
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${WORK}/wrong -B ${WORK}/wrong-build --fresh -G Ninja ${compilers}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  string(REGEX REPLACE "[ \n]+" " " out "${out}")
  if(code EQUAL 0 OR NOT out MATCHES "plugin wrong links ${library} \\(through indirect\\)")
    message(FATAL_ERROR "a plugin that links ${library} must not configure, got ${code}: ${out}")
  endif()
endforeach()
file(REMOVE_RECURSE ${WORK})
