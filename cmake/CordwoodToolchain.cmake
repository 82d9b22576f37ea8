# SPDX-License-Identifier: Apache-2.0
# Warnings, hardening, sanitizers, ccache, a fast linker.
add_compile_options(-Wall -Wextra -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety -Wno-deprecated-pragma)
else()
  # False alarms of GCC 12 in libstdc++ at -O2.
  add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-restrict
                      -Wno-stringop-overread)
endif()

find_program(CORDWOOD_CCACHE ccache)
if(CORDWOOD_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CORDWOOD_CCACHE})
endif()
find_program(CORDWOOD_LLD ld.lld)
if(CORDWOOD_LLD)
  add_link_options(-fuse-ld=lld)
endif()

if(CORDWOOD_SANITIZE)
  add_compile_options(-fsanitize=${CORDWOOD_SANITIZE} -g1)
  add_link_options(-fsanitize=${CORDWOOD_SANITIZE})
  if(CORDWOOD_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined -fno-sanitize=vptr)
  endif()
  if(CORDWOOD_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)  # edges and comparisons are counted in every room
    add_link_options(-fsanitize=fuzzer-no-link)
  endif()
elseif(CORDWOOD_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic -g1)
  add_link_options(-fprofile-instr-generate)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-g1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -D_GLIBCXX_ASSERTIONS)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
