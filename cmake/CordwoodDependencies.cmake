# SPDX-License-Identifier: Apache-2.0
# Debian 12's packages. Protobuf comes before gRPC: Debian ships no CMake config for it, FindProtobuf makes its targets.
find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(isal REQUIRED IMPORTED_TARGET libisal)
# Not "lz4" and "zstd": those prefixes' cache entries would break RocksDB's own search at the next configuration.
pkg_check_modules(liblz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(libzstd REQUIRED IMPORTED_TARGET libzstd)
find_package(ZLIB REQUIRED)
find_library(SNAPPY_LIBRARY snappy REQUIRED)
find_package(benchmark CONFIG REQUIRED)
if(CORDWOOD_BROKER)
  find_package(Protobuf REQUIRED)
  set(c-ares_FIND_QUIETLY TRUE)
  find_package(gRPC CONFIG REQUIRED)
endif()
