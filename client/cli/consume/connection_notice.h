// SPDX-License-Identifier: Apache-2.0
// What a reader that waits says of its connection.
#pragma once

#include <cstdio>
#include <string>

#include "client/cli/failure.h"
#include "client/failure.h"
#include "client/internal/rpc_error.h"

namespace cordwood::client {

// On stderr, once for each loss and each return; quiet: nothing.
class ConnectionNotice {
 public:
  explicit ConnectionNotice(bool quiet) : quiet_(quiet) {}

  void Look(const Result<void>& connection) {
    if (quiet_ || connection.ok() == connected_) return;
    connected_ = connection.ok();
    const std::string why = connected_ ? "" : InShort(ToStatus(connection.error().code(), connection.error().message()));
    std::fprintf(stderr, connected_ ? "connected again%s\n" : "connection lost (%s); trying again\n", why.c_str());
  }

 private:
  const bool quiet_;
  bool connected_ = true;  // as the user was told
};

}  // namespace cordwood::client
