# SPDX-License-Identifier: Apache-2.0
# cordwood_room(NAME SOURCES a.cc … DEPS target …): the library of the folder this is called in, alias cordwood::NAME.
# cordwood_tests(NAME SOURCES a_test.cc … DEPS target … [ENVIRONMENT A=b]): one GoogleTest program of the unit tests beside the sources.
include(GoogleTest)

function(cordwood_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS" ${ARGN})
  add_library(cordwood_${name} STATIC ${ROOM_SOURCES})
  add_library(cordwood::${name} ALIAS cordwood_${name})
  target_include_directories(cordwood_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(cordwood_${name} PUBLIC ${ROOM_DEPS})
endfunction()

function(cordwood_tests name)
  cmake_parse_arguments(ROOM "" "ENVIRONMENT" "SOURCES;DEPS" ${ARGN})
  add_executable(${name}_test ${ROOM_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${ROOM_DEPS} GTest::gmock GTest::gtest_main)
  set(properties TIMEOUT 300)
  if(ROOM_ENVIRONMENT)
    list(APPEND properties ENVIRONMENT ${ROOM_ENVIRONMENT})
  endif()
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES ${properties})
endfunction()
