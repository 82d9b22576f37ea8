// SPDX-License-Identifier: Apache-2.0
// What a code says by itself.
#include "cordwood/result.h"

#include "client/failure.h"

namespace cordwood {

Failure::Failure(Errc code, std::string message) : Failure(client::ToFailure(client::ToStatus(code, std::move(message)))) {}

std::string_view Failure::name() const {
  if (code_ == Errc::kTransport) return "TRANSPORT";
  return ReasonName(static_cast<Reason>(code_));
}

std::string Failure::ToString() const { return message_ + "  [" + std::string(name()) + "]"; }

}  // namespace cordwood
